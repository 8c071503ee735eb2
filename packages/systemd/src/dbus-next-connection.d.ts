/**
 * The wire layer of dbus-next (authentication, marshalling), which its own type declarations leave out. Its bus
 * object above it hides the end of the stream, leaves calls pending for ever and parses XML; this does not.
 */
declare module "dbus-next/lib/connection.js" {
  import type { Socket } from "node:net";

  export interface WireMessage {
    /** 1 call, 2 return, 3 error, 4 signal. */
    readonly type: number;
    /** Bits: 1 no reply expected, 2 no auto start. */
    readonly flags?: number;
    readonly serial?: number | null;
    readonly replySerial?: number;
    readonly errorName?: string;
    readonly destination?: string;
    readonly sender?: string;
    readonly path?: string;
    readonly interface?: string;
    readonly member?: string;
    readonly signature?: string;
    /** 64-bit integers are BigInt. */
    readonly body?: readonly unknown[];
  }

  export interface WireConnection {
    readonly stream: Socket;
    /** Buffers until authenticated. Throws when the message cannot be marshalled or the stream is not writable. */
    message(message: WireMessage): void;
    on(event: "message", listener: (message: WireMessage) => void): this;
    on(event: "error", listener: (error: unknown) => void): this;
    on(event: "end", listener: () => void): this;
  }

  /** Starts to connect. Throws on an address it cannot read; everything later is an `error` event. */
  export default function createConnection(options: {
    readonly busAddress: string;
    readonly authMethods: readonly string[];
  }): WireConnection;
}

declare module "dbus-next/lib/variant.js" {
  /** A value that brings its type along. */
  export class Variant {
    constructor(signature: string, value: unknown);
  }
}
