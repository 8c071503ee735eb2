import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TlsFiles } from "./real-etcd.ts";

const run = promisify(execFile);

/** A certificate authority, and one certificate for 127.0.0.1 that serves both sides. */
export async function certificates(directory: string): Promise<TlsFiles> {
  const file = (name: string): string => join(directory, name);
  const openssl = (command: string): Promise<unknown> =>
    run("openssl", command.split(" "), { cwd: directory });
  await openssl(
    "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt " +
      "-addext basicConstraints=critical,CA:TRUE",
  );
  await openssl("req -newkey rsa:2048 -nodes -subj /CN=etcd -keyout etcd.key -out etcd.csr");
  writeFileSync(file("ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  await openssl(
    "x509 -req -in etcd.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out etcd.crt",
  );
  return { ca: file("ca.crt"), cert: file("etcd.crt"), key: file("etcd.key") };
}
