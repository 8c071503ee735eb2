import {
  type CallInvocationTransformer,
  type CallOptions,
  InterceptingCall,
  type Interceptor,
} from "@grpc/grpc-js";
import { noop } from "cockatiel";
import { Etcd3, type IDuplexStream, type IWatchRequest } from "etcd3";
import {
  decodeRange,
  decodeTxn,
  decodeWatch,
  encodeRange,
  encodeTxn,
  type WatchAnswer,
} from "./etcd3-messages.ts";
import type { RangeRequest, RangeResult, TxnRequest, TxnResult } from "./store.ts";

/** How to reach etcd. */
export interface EtcdCredentials {
  readonly username?: string;
  readonly password?: string;
  /** PEM contents. Given any of them, or an https endpoint, the connection is encrypted. */
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** A watch's requests, and its answers as `decodeWatch` gives them. */
export type WatchStream = IDuplexStream<IWatchRequest, WatchAnswer>;

/** The library's client by what it really takes and gives: it hands messages on as they are, to the codecs below and from them. */
interface RowClient {
  readonly kv: {
    range(request: RangeRequest, options: CallOptions): Promise<RangeResult>;
    txn(request: TxnRequest, options: CallOptions): Promise<TxnResult>;
  };
  readonly watchClient: { watch(): Promise<WatchStream> };
}

/** Largest answer taken, in bytes; etcd's own pages of bodies may exceed gRPC's 4 MiB. */
const maxAnswerBytes = 16 * 1024 * 1024;

/** Per method what makes bytes of its requests, and what reads its answers, instead of what the library has for it. */
const codecs: ReadonlyMap<string, object> = new Map([
  ["/etcdserverpb.KV/Range", { requestSerialize: encodeRange, responseDeserialize: decodeRange }],
  ["/etcdserverpb.KV/Txn", { requestSerialize: encodeTxn, responseDeserialize: decodeTxn }],
  ["/etcdserverpb.Watch/Watch", { responseDeserialize: decodeWatch }],
]);

const ownCodecs: CallInvocationTransformer = (call) => {
  const codec = codecs.get(call.methodDefinition.path);
  if (codec === undefined) return call;
  return { ...call, methodDefinition: { ...call.methodDefinition, ...codec } };
};

const channelOptions = {
  callInvocationTransformer: ownCodecs,
  "grpc.max_receive_message_length": maxAnswerBytes,
  "grpc.max_send_message_length": maxAnswerBytes,
  // etcd hangs up on clients that ping more often than every 5 s.
  "grpc.keepalive_time_ms": 6_000,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A connection that has gone silent must not be found again in the process-wide pool.
  "grpc.use_local_subchannel_pool": 1,
};

/** A member that has lost its leader refuses a call so marked instead of keeping a watch open that tells nothing. */
const requireLeader: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (metadata, listener, next) => {
      const own = metadata.clone();
      own.set("hasleader", "true");
      next(own, listener);
    },
  });

/**
 * The library's client for one etcd member. Its retries and circuit breaker are switched off: a write that is sent
 * twice fails its own compare, and which endpoint to try next is decided in one place, `Etcd3Store`.
 */
export class Etcd3Endpoint {
  readonly address: string;
  readonly #client: Etcd3;

  /** `deadline` makes the options of a call that begins now: logging in is a call, too. */
  constructor(address: string, credentials: EtcdCredentials, deadline: () => CallOptions) {
    this.address = address;
    const { username, password, ca, cert, key } = credentials;
    // The library makes plain connections unless it is given an authority or an https address.
    const tls = ca === undefined ? {} : { credentials: tlsCredentials(ca, cert, key) };
    this.#client = new Etcd3({
      hosts: [address],
      ...tls,
      ...(username === undefined
        ? {}
        : { auth: { username, password: password ?? "", callOptions: deadline } }),
      grpcOptions: channelOptions,
      defaultCallOptions: { interceptors: [requireLeader] },
      faultHandling: { host: () => noop, global: noop },
    });
  }

  range(request: RangeRequest, options: CallOptions): Promise<RangeResult> {
    return this.#rows.kv.range(request, options);
  }

  txn(request: TxnRequest, options: CallOptions): Promise<TxnResult> {
    return this.#rows.kv.txn(request, options);
  }

  get lease(): Etcd3["leaseClient"] {
    return this.#client.leaseClient;
  }

  watch(): Promise<WatchStream> {
    return this.#rows.watchClient.watch();
  }

  /**
   * Has the library notice that its token has expired, which it does in unary calls only. Rejects when the token is
   * refused for good.
   */
  async refreshToken(readableKey: string, options: CallOptions): Promise<void> {
    await this.range({ from: readableKey, keysOnly: true }, options);
  }

  close(): void {
    this.#client.close();
  }

  get #rows(): RowClient {
    return this.#client as unknown as RowClient;
  }
}

function tlsCredentials(
  ca: Buffer,
  cert: Buffer | undefined,
  key: Buffer | undefined,
): { rootCertificate: Buffer; certChain?: Buffer; privateKey?: Buffer } {
  return {
    rootCertificate: ca,
    ...(cert === undefined ? {} : { certChain: cert }),
    ...(key === undefined ? {} : { privateKey: key }),
  };
}
