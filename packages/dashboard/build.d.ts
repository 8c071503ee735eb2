/** See build.js. */
export function buildDashboard(directory: string): Promise<void>;
