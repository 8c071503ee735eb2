import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FleetError } from "@fleet/runtime";
import type { LabDirectory } from "./lab-directory.ts";
import { type CommandResult, LabProcess, runCommand } from "./process.ts";
import { waitFor } from "./wait-for.ts";

/** The user that full machines have for ssh: the one that fleetctl logs in as unless told otherwise. */
export const SSH_USER = "core";

/**
 * A lab's key to its full machines, and an ssh agent that holds it.
 *
 * Nothing of it touches the user's own keys, agent or known hosts.
 */
export class LabSsh {
  /** Path of the private key. */
  readonly identityFile: string;
  /** The public key, as a line of authorized_keys. */
  readonly publicKey: string;
  /**
   * For fleetctl and ssh on the host: the agent with the key, and an empty home directory, where fleetctl keeps the
   * host keys that it has seen.
   */
  readonly environment: NodeJS.ProcessEnv;

  private constructor(identityFile: string, environment: NodeJS.ProcessEnv) {
    this.identityFile = identityFile;
    this.publicKey = readFileSync(`${identityFile}.pub`, "utf8").trim();
    this.environment = environment;
  }

  /** Makes a key and starts an agent, which ends with the lab. */
  static async start(directory: LabDirectory): Promise<LabSsh> {
    const path = directory.subdirectory("ssh");
    const identityFile = join(path, "id_ed25519");
    const socket = join(path, "agent");
    const home = join(path, "home");
    mkdirSync(home, { mode: 0o700 });
    await generateKey(identityFile, `fleet-lab ${directory.name}`);
    await LabProcess.start({
      command: ["ssh-agent", "-D", "-a", socket],
      env: process.env,
      logFile: join(path, "agent.log"),
      processesFile: directory.processesFile,
    });
    const environment = { SSH_AUTH_SOCK: socket, HOME: home };
    await waitFor({
      what: "the ssh agent to take the lab's key",
      probe: () => runCommand(["ssh-add", identityFile], { env: { ...process.env, ...environment } }),
      until: ({ exitCode }) => exitCode === 0,
      timeoutMs: 10_000,
    });
    return new LabSsh(identityFile, environment);
  }

  /** Has a shell at an address run the words of a command, host keys unchecked. A non-zero exit code is a value. */
  run(address: string, command: readonly string[]): Promise<CommandResult> {
    const options = {
      IdentityFile: this.identityFile,
      IdentitiesOnly: "yes",
      BatchMode: "yes",
      StrictHostKeyChecking: "no",
      UserKnownHostsFile: "/dev/null",
      LogLevel: "ERROR",
      ConnectTimeout: "10",
    };
    // -F: the user's own configuration is no business of the lab's.
    const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    return runCommand(["ssh", "-F", "none", ...flags, `${SSH_USER}@${address}`, "--", ...command], {
      env: { ...process.env, ...this.environment },
    });
  }
}

/** Writes a new key pair to `path` and `path.pub`. */
export async function generateKey(path: string, comment: string): Promise<void> {
  const { exitCode, stderr } = await runCommand(
    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
    { env: process.env },
  );
  if (exitCode !== 0) throw new FleetError("lab_ssh", `ssh-keygen: ${stderr.trim()}`);
}
