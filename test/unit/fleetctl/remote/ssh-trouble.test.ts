import { describe, expect, it } from "vitest";
import { sshTrouble } from "../../../../packages/fleetctl/src/remote/ssh-trouble.ts";

const target = {
  user: "core",
  host: "10.0.0.1",
  port: 2222,
  knownHostsFile: "/home/me/.fleetctl/known_hosts",
};

/** As OpenSSH 9.2 says it; Debian's adds how to remove the key. */
const changed = [
  "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
  "Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.",
  "Offending ED25519 key in /home/me/.ssh/known_hosts:7",
  "Host key for [10.0.0.1]:2222 has changed and you have requested strict checking.",
  "Host key verification failed.",
].join("\r\n");

describe("what to do when ssh says", () => {
  it("that a key has changed: which file, which line, and how to remove it", () => {
    expect(sshTrouble(changed, target)).toEqual([
      "The host key of [10.0.0.1]:2222 is not the one in /home/me/.ssh/known_hosts, line 7:",
      "the machine was installed anew, another one has its address now, or somebody listens in.",
      "If it is right, remove the old key: ssh-keygen -f /home/me/.ssh/known_hosts -R '[10.0.0.1]:2222'",
      "or do without the check this once: --strict-host-key-checking=false",
    ]);
  });

  it("that a key has changed, in other words", () => {
    const words = "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.";
    expect(sshTrouble(words, target).join("\n")).toContain(
      "ssh-keygen -f /home/me/.fleetctl/known_hosts -R '[10.0.0.1]:2222'",
    );
  });

  it.each([
    ["Host key verification failed.", "ssh-keyscan -p 2222 10.0.0.1 >> /home/me/.fleetctl/known_hosts"],
    ["core@10.0.0.1: Permission denied (publickey).", "lets core in with none of your keys"],
    ["ssh: Could not resolve hostname gate: Name or service not known", "Nobody knows 10.0.0.1 here"],
    ["ssh: connect to host 10.0.0.1 port 22: Connection refused", "Is sshd up at 10.0.0.1, port 2222?"],
    ["ssh: connect to host 10.0.0.1 port 22: Connection timed out", "--ssh-timeout"],
    ["Connection timed out during banner exchange", "--ssh-timeout"],
    ["kex_exchange_identification: Connection closed by remote host", "Is sshd up"],
    [
      "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed",
      "--endpoint is meant",
    ],
  ])("%s", (said, hint) => {
    expect(sshTrouble(said, target).join("\n")).toContain(hint);
  });

  it.each(["", "my-tool: no such thing"])("nothing known of itself: %j", (said) => {
    expect(sshTrouble(said, target)).toEqual([]);
  });
});
