import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { errorMessage } from "@fleet/runtime";
import { ConfigError } from "@fleet/runtime/config";
import type { Options } from "./options.ts";

/** What the connection to etcd is secured with, in PEM. */
export interface TlsMaterial {
  /** Authorities whose certificates etcd may show; undefined: those the system trusts. */
  readonly authorities: Buffer | undefined;
  /** What this machine shows to etcd. */
  readonly identity: { readonly certificate: Buffer; readonly key: Buffer } | undefined;
}

type TlsOptions = Pick<Options, "etcd_cafile" | "etcd_certfile" | "etcd_keyfile">;

/**
 * Reads the TLS files that the options name; undefined when they name none. Throws ConfigError naming option
 * and file, so that a mistake shows at start and not as a connection that etcd refuses for no stated reason.
 */
export async function readTlsFiles(options: TlsOptions): Promise<TlsMaterial | undefined> {
  const { etcd_cafile, etcd_certfile, etcd_keyfile } = options;
  const authorities =
    etcd_cafile === undefined ? undefined : await readPem("etcd_cafile", etcd_cafile, checkCertificate);
  if (etcd_certfile === undefined || etcd_keyfile === undefined) {
    return authorities === undefined ? undefined : { authorities, identity: undefined };
  }
  const certificate = await readPem("etcd_certfile", etcd_certfile, checkCertificate);
  const key = await readPem("etcd_keyfile", etcd_keyfile, (pem) => void createPrivateKey(pem));
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new ConfigError([
      `etcd_keyfile: the key in ${etcd_keyfile} does not belong to the certificate in ${etcd_certfile}`,
    ]);
  }
  return { authorities, identity: { certificate, key } };
}

async function readPem(option: string, path: string, check: (pem: Buffer) => void): Promise<Buffer> {
  let pem: Buffer;
  try {
    pem = await readFile(path);
  } catch (error) {
    throw new ConfigError([`${option}: cannot read ${path}: ${errorMessage(error)}`], error);
  }
  try {
    check(pem);
  } catch (error) {
    throw new ConfigError(
      [`${option}: ${path} does not hold what is expected in PEM: ${errorMessage(error)}`],
      error,
    );
  }
  return pem;
}

function checkCertificate(pem: Buffer): void {
  new X509Certificate(pem);
}
