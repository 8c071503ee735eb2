export { Agent, type AgentOptions, type AgentReport } from "./agent.ts";
export { JournalFile } from "./journal-file.ts";
export type { AgentRegistry, JournalStore } from "./ports.ts";
