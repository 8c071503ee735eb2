import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { options, sleeper } from "./fleet-shell.ts";
import { gone, until, useRemoteShell } from "./remote-shell.ts";

const here = useRemoteShell();
const address = "10.0.2.15";

/** What ssh was asked to run, and where. */
async function asked(): Promise<readonly (readonly string[])[]> {
  return (await here.sshCalls()).map(({ args }) => args.slice(args.indexOf("--") + 1));
}

function launched(...names: readonly string[]): void {
  for (const name of names) here.fleet.add(name, options(), "launched");
}

describe("fleetctl ssh", () => {
  it.each([
    ["by the beginning of a machine's id", ["0acd", "echo", "hi"]],
    ["as listings show it", ["0acdd9bf.../10.0.2.15", "echo", "hi"]],
    ["by its IP", ["10.0.2.15", "echo", "hi"]],
    ["with --machine and its IP", ["--machine=10.0.2.15", "echo", "hi"]],
    ["by a unit", ["hello.service", "echo", "hi"]],
    ["by a unit without .service", ["hello", "echo", "hi"]],
    ["with --machine", ["--machine=0acd", "echo", "hi"]],
    ["with --unit", ["--unit", "hello", "echo", "hi"]],
    ["with dashes before the command", ["hello", "--", "echo", "hi"]],
    ["with dashes before everything", ["--", "hello", "echo", "hi"]],
  ])("finds the machine %s", async (_how, args) => {
    launched("hello.service");
    expect(await here.run(["ssh", ...args])).toEqual({ code: 0, stdout: "hi\n", stderr: "" });
    expect(await asked()).toEqual([[address, "echo", "hi"]]);
  });

  it("leaves the command's flags to the command, and joins its words as ssh does", async () => {
    launched("hello.service");
    const { code, stdout } = await here.run([
      "ssh",
      "hello",
      "printf",
      "%s,",
      "-A",
      "--help",
      '"a  b"',
      "c  d",
    ]);
    expect([code, stdout]).toEqual([0, "-A,--help,a  b,c,d,"]);
  });

  it("passes on input, output and exit code of the command", async () => {
    launched("hello.service");
    const words = ["ssh", "hello", "cat; echo oops >&2; exit 7"];
    expect(await here.run(words, { input: "typed" })).toEqual({ code: 7, stdout: "typed", stderr: "oops\n" });
  });

  it("opens a shell without a command", async () => {
    expect(await here.run(["ssh", "0acd"], { input: "echo in a shell; exit 3\n" })).toEqual({
      code: 3,
      stdout: "in a shell\n",
      stderr: "",
    });
    expect(await asked()).toEqual([[address]]);
  });

  it.each([
    ["-A", "-A"],
    ["--forward-agent=false", "-a"],
    ["--ssh-port=2222", "-p"],
    ["--ssh-username=root", "root"],
  ])("%s becomes %s", async (flag, option) => {
    launched("hello.service");
    await here.run(["ssh", flag, "hello", "true"]);
    expect((await here.sshCalls())[0]?.args).toContain(option);
  });

  it.each<[args: readonly string[], message: string]>([
    [[], "Unable to proceed: one machine or unit must be provided"],
    [["--machine=a", "--unit=b"], "Both machine and unit flags provided, please specify only one."],
    [["nope"], "Unable to proceed: could not find matching unit or machine for `nope`"],
    [["0acdd"], "Unable to proceed: ambiguous argument, both machine and unit found for `0acdd`."],
    [["--machine=f"], 'Unable to proceed: machine "f" does not exist'],
    [["--unit=nope"], "Unit nope.service does not exist."],
    [["idle"], "Unit idle.service does not appear to be loaded."],
    [["everywhere"], "Unable to proceed: global units unsupported: everywhere.service runs on many machines"],
    [["--ssh-port=x", "0acdd9"], "--ssh-port=x: a port is a number between 1 and 65535"],
  ])("%j is refused", async (args, message) => {
    launched("0acdd.service");
    here.fleet.add("idle.service", options(), "inactive");
    here.fleet.add("everywhere.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "launched");
    const { code, stderr } = await here.run(["ssh", ...args]);
    expect([code, stderr.split("\n")[0]]).toEqual([1, message]);
    expect(await asked()).toEqual([]);
  });

  it.each(["", "-oProxyCommand=reboot", "$(reboot)", "core@elsewhere"])(
    "goes to no address %j",
    async (bad) => {
      here.fleet.machine.primaryIP = bad;
      const { code, stderr } = await here.run(["ssh", "0acd"]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Could not determine address of machine|publishes an address that is none/);
      expect(await asked()).toEqual([]);
    },
  );

  it.each([
    ["ssh: connect to host 10.0.2.15 port 22: Connection refused\r\n", "Is sshd up at 10.0.2.15, port 22?"],
    ["core@10.0.2.15: Permission denied (publickey).\r\n", "lets core in with none of your keys"],
    ["Host key verification failed.\r\n", "The host's key is not known"],
    ["", "Exit code 255: ssh has failed, or the command on the machine ended with it."],
  ])("explains ssh's own failure: %j", async (said, hint) => {
    const environment = { FAKE_SSH: "fail", FAKE_SSH_STDERR: said };
    const { code, stderr } = await here.run(["ssh", "0acd", "true"], { environment });
    expect(code).toBe(255);
    expect(stderr.startsWith(said)).toBe(true);
    expect(stderr).toContain(hint);
  });

  it("says so when there is no ssh", async () => {
    await here.script("ssh", "");
    const { code, stderr } = await here.run(["ssh", "0acd", "true"], { environment: { PATH: here.home } });
    expect([code, stderr]).toEqual([1, "cannot run ssh: it is not installed, or not in PATH\n"]);
  });

  it("ends with ssh, though a program that ssh has started does not", async () => {
    // As a ControlMaster does that stays in the background.
    await here.script("ssh", `sleep 1000 > /dev/null & echo $! > ${here.home}/pid; exit 4`);
    expect((await here.run(["ssh", "0acd", "true"])).code).toBe(4);
    process.kill(Number(await here.read("pid")));
  });

  it("makes the directory of known hosts, for its owner only", async () => {
    await here.run(["ssh", "0acd", "true"]);
    expect((await stat(join(here.home, ".fleetctl"))).mode & 0o777).toBe(0o700);
  });

  it("shows ssh's command line with --debug", async () => {
    const { stderr } = await here.run(["--debug", "ssh", "0acd", "echo", "a b"]);
    expect(stderr).toMatch(/^Running: ssh -l core -o ConnectTimeout=10 .* -- 10\.0\.2\.15 echo 'a b'$/m);
  });

  it("goes through the host of --tunnel", async () => {
    await here.run(["--tunnel=gate:2222", "ssh", "0acd", "true"]);
    const calls = await here.sshCalls();
    // The API is asked through the tunnel first.
    expect(calls).toHaveLength(2);
    expect(calls[1]?.args.find((arg) => arg.startsWith("ProxyCommand="))).toMatch(
      /^ProxyCommand=ssh -l core .* -p 2222 .* -W '\[%h\]:%p' -- gate$/,
    );
  });
});

describe("fleetctl status", () => {
  it("shows the units one after the other, and reads no input", async () => {
    launched("a.service", "b\\x2dc.service");
    await here.script("systemctl", 'cat; echo "systemctl $*"');
    const { code, stdout, stderr } = await here.run(["status", "a", "b\\x2dc.service"], {
      input: "for others",
    });
    expect([code, stdout, stderr]).toEqual([
      0,
      "systemctl status -l a.service\n\nsystemctl status -l b\\x2dc.service\n",
      "",
    ]);
  });

  it("takes patterns", async () => {
    launched("a@1.service", "a@2.service", "b.service");
    here.fleet.add("a@3.service", options(), "inactive");
    const { stdout } = await here.run(["status", "a@*"]);
    expect(stdout).toBe("systemctl status -l a@1.service\n\nsystemctl status -l a@2.service\n");
  });

  it("ends with the first code that is not 0, and shows the others all the same", async () => {
    launched("a.service", "b.service");
    await here.script("systemctl", 'echo "$3"; case "$3" in a*) exit 3 ;; *) exit 4 ;; esac');
    expect(await here.run(["status", "a", "nope", "b"])).toEqual({
      code: 3,
      stdout: "a.service\n\nb.service\n",
      stderr: "Unit nope.service does not exist.\n",
    });
  });

  it.each([
    ["nope", "Unit nope.service does not exist."],
    ["idle", "Unit idle.service does not appear to be loaded."],
    ["everywhere", "Unable to get status of global unit everywhere.service."],
  ])("refuses %s", async (name, message) => {
    here.fleet.add("idle.service", options(), "inactive");
    here.fleet.add("everywhere.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "launched");
    const { code, stderr } = await here.run(["status", name]);
    expect([code, stderr.split("\n")[0]]).toEqual([1, message]);
  });

  it("of a global unit is that on --machine", async () => {
    here.fleet.add("everywhere.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "launched");
    const { code, stdout } = await here.run(["status", "--machine=0acd", "everywhere"]);
    expect([code, stdout]).toEqual([0, "systemctl status -l everywhere.service\n"]);
  });
});

describe("fleetctl journal", () => {
  it.each<[args: readonly string[], stdout: string]>([
    [["a"], "journalctl --unit a.service --no-pager -n 10 --output short\n"],
    [["--lines", "20", "--output=json", "a"], "journalctl --unit a.service --no-pager -n 20 --output json\n"],
    [["-f", "a"], "journalctl --unit a.service --no-pager -n 10 --output short -f\n"],
    [["--follow", "a"], "journalctl --unit a.service --no-pager -n 10 --output short -f\n"],
    [["--sudo", "a"], "sudo\njournalctl --unit a.service --no-pager -n 10 --output short\n"],
    [["--output=x; reboot", "a"], "journalctl --unit a.service --no-pager -n 10 --output x; reboot\n"],
  ])("%j", async (args, stdout) => {
    launched("a.service");
    expect(await here.run(["journal", ...args])).toEqual({ code: 0, stdout, stderr: "" });
  });

  it("of a global unit says how to get it", async () => {
    here.fleet.add("everywhere.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "launched");
    const { code, stderr } = await here.run(["journal", "everywhere"]);
    expect([code, stderr]).toEqual([
      1,
      "Unable to retrieve journal of global unit everywhere.service.\n" +
        "  It runs on many machines: fleetctl journal --machine=MACHINE everywhere.service\n",
    ]);
    expect((await here.run(["journal", "--machine=0acd", "everywhere"])).code).toBe(0);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("-f ends with %s, without a word", async (signal) => {
    launched("a.service");
    await here.script("journalctl", "echo following; exec sleep 1000");
    const child = here.spawn(["journal", "-f", "a"]);
    let stderr = "";
    child.stderr.on("data", (text) => (stderr += String(text)));
    await once(child.stdout, "data");
    const [ssh] = await here.sshCalls();
    child.kill(signal);
    const expected = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
    expect(await once(child, "exit")).toEqual([expected, null]);
    await gone(ssh?.pid ?? 0);
    expect(stderr).toBe("");
  });
});

describe("on the machine itself", () => {
  const ownId = readFileSync("/etc/machine-id", "utf8").trim();

  it.each<[args: readonly string[], stdout: string]>([
    [["status", "a"], "systemctl status -l a.service\n"],
    [["journal", "a"], "journalctl --unit a.service --no-pager -n 10 --output short\n"],
    [["ssh", "a", "echo", "$((1", "+", "1))"], "2\n"],
  ])("%j takes no ssh", async (args, stdout) => {
    here.fleet.machine.id = ownId;
    launched("a.service");
    expect(await here.run(args)).toEqual({ code: 0, stdout, stderr: "" });
    expect(await here.sshCalls()).toEqual([]);
  });

  it("a command's exit code is passed on, and it runs at home", async () => {
    here.fleet.machine.id = ownId;
    const { code, stdout } = await here.run(["ssh", ownId, "pwd; exit 9"]);
    expect([code, stdout]).toEqual([9, `${here.home}\n`]);
  });

  it("a shell says where it is", async () => {
    here.fleet.machine.id = ownId;
    const { code, stdout, stderr } = await here.run(["ssh", ownId], { input: "echo here\n" });
    expect([code, stdout, stderr]).toEqual([
      0,
      "here\n",
      `This is machine ${ownId.slice(0, 8)}...: opening a shell without ssh.\n`,
    ]);
  });

  it.each([["--ssh-username=root"], ["--ssh-port=2222"], ["-A"], ["--tunnel=gate"]])(
    "%s asks for ssh",
    async (flag) => {
      here.fleet.machine.id = ownId;
      await here.run(["ssh", flag, ownId, "true"]);
      expect((await asked()).at(-1)).toEqual([address, "true"]);
    },
  );

  it("Ctrl-C is the command's business, which may go on", async () => {
    here.fleet.machine.id = ownId;
    const words = "trap 'echo caught' INT; echo ready; until [ -e go ]; do sleep 0.05; done; exit 5";
    const child = here.spawn(["ssh", ownId, words]);
    let stdout = "";
    child.stdout.on("data", (text) => (stdout += String(text)));
    await until(async () => stdout.includes("ready"));
    child.kill("SIGINT");
    child.kill("SIGINT");
    await until(async () => stdout.includes("caught"));
    await writeFile(join(here.home, "go"), "");
    expect(await once(child, "exit")).toEqual([5, null]);
  });
});
