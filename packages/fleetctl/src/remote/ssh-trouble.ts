import { shellLine } from "./shell-words.ts";

/** Where ssh was to go. */
export interface SshTarget {
  readonly user: string;
  readonly host: string;
  readonly port: number | undefined;
  /** File that new host keys go to; undefined when keys are not checked. */
  readonly knownHostsFile: string | undefined;
}

/**
 * What to do about a failure of ssh, judged by what it said on stderr: ssh has one exit code for all. Lines for people,
 * none when it is not known. OpenSSH does not translate its messages.
 */
export function sshTrouble(stderr: string, target: SshTarget): readonly string[] {
  const known = troubles.find(({ said }) => said.test(stderr));
  return known === undefined ? [] : known.hints(stderr, target);
}

interface Trouble {
  readonly said: RegExp;
  readonly hints: (stderr: string, target: SshTarget) => readonly string[];
}

const troubles: readonly Trouble[] = [
  { said: /host key .*has changed|HOST IDENTIFICATION HAS CHANGED/i, hints: changedKey },
  { said: /Host key verification failed/i, hints: unknownKey },
  {
    said: /Permission denied \(|Too many authentication failures/,
    hints: (_, { user, host }) => [
      `${host} lets ${user} in with none of your keys: "ssh-add -l" shows those of the agent.`,
      "Another user is chosen with --ssh-username or FLEETCTL_SSH_USERNAME.",
    ],
  },
  {
    said: /Could not resolve hostname/,
    hints: (_, { host }) => [
      `Nobody knows ${host} here: neither the DNS nor the Host entries of ssh's configuration.`,
    ],
  },
  {
    said: /(stdio forwarding failed|open failed: )/,
    hints: () => [
      "ssh has reached the host of --tunnel, but that does not reach what it was to connect to.",
      "An address in --endpoint is meant as the host of --tunnel sees it.",
    ],
  },
  {
    said: /connect to host|Connection (refused|reset|closed|timed out)|timed out|No route to host|Network is unreachable/i,
    hints: (_, { host, port }) => [
      `Is sshd up at ${host}, port ${port ?? 22}? Another port: --ssh-port, or Port in ssh's configuration.`,
      "Machines that only another host reaches: --tunnel=HOST. More time to connect: --ssh-timeout.",
    ],
  },
];

function changedKey(stderr: string, target: SshTarget): readonly string[] {
  // With a proxy in between it is not always the target's key that has changed: ssh names the host and the file.
  const [, host = hostInFile(target)] = /host key for (\S+) has changed/i.exec(stderr) ?? [];
  const [, file = target.knownHostsFile ?? "", line] =
    /^Offending (?:\S+ )?key in (.+):(\d+)\s*$/m.exec(stderr) ?? [];
  return [
    `The host key of ${host} is not the one in ${file}${line === undefined ? "" : `, line ${line}`}:`,
    "the machine was installed anew, another one has its address now, or somebody listens in.",
    `If it is right, remove the old key: ${shellLine(["ssh-keygen", "-f", file, "-R", host])}`,
    "or do without the check this once: --strict-host-key-checking=false",
  ];
}

function unknownKey(_: string, target: SshTarget): readonly string[] {
  const scan = [
    "ssh-keyscan",
    ...(target.port === undefined ? [] : ["-p", String(target.port)]),
    target.host,
  ];
  return [
    "The host's key is not known, and without a terminal ssh could not ask whether it is the right one.",
    `Connect once from a terminal, or get the key: ${shellLine(scan)} >> ${target.knownHostsFile ?? ""}`,
    "or do without the check: --strict-host-key-checking=false",
  ];
}

function hostInFile({ host, port }: SshTarget): string {
  return port === undefined || port === 22 ? host : `[${host}]:${port}`;
}
