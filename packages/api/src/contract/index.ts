export * from "./close-codes.ts";
export * from "./losses.ts";
export * from "./messages.ts";
export * from "./operations.ts";
export * from "./paths.ts";
export * from "./restart.ts";
export * from "./watch.ts";
export * from "./wire.ts";
