import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { useRemoteShell } from "./remote-shell.ts";

const here = useRemoteShell();
let server: Server | undefined;

afterEach(async () => {
  await new Promise((done) => (server === undefined ? done(undefined) : server.close(done)));
});

/** A daemon's socket; resolves to the connection that fd-forward makes. */
async function forwarded() {
  const path = join(here.home, "daemon.sock");
  const listening = createServer({ allowHalfOpen: true });
  server = listening;
  await new Promise<void>((done) => listening.listen(path, done));
  const accepted = once(listening, "connection");
  const child = here.spawn(["fd-forward", path]);
  const ended = once(child, "exit");
  const [connection]: Socket[] = await accepted;
  if (connection === undefined) throw new Error("nobody connected");
  return { child, connection, ended };
}

function digestOf(stream: NodeJS.ReadableStream): Promise<string> {
  const hash = createHash("sha256");
  return new Promise((resolve, reject) => {
    stream.on("data", (chunk) => hash.update(chunk));
    stream.on("end", () => resolve(hash.digest("hex")));
    stream.on("error", reject);
  });
}

describe("fd-forward", () => {
  it("carries much in both directions at once", async () => {
    const up = Buffer.alloc(20_000_000, "upwards");
    const down = Buffer.alloc(20_000_000, "downwards");
    const { child, connection, ended } = await forwarded();
    const arrived = [digestOf(connection), digestOf(child.stdout)];
    child.stdin.end(up);
    connection.end(down);
    expect(await Promise.all(arrived)).toEqual(
      [up, down].map((bytes) => createHash("sha256").update(bytes).digest("hex")),
    );
    expect(await ended).toEqual([0, null]);
  });

  it("goes on downwards after the end of stdin", async () => {
    const { child, connection, ended } = await forwarded();
    const answer = once(child.stdout, "data");
    child.stdin.end("question");
    expect(String((await once(connection, "data"))[0])).toBe("question");
    connection.resume();
    await once(connection, "end");
    connection.write("answer");
    expect(String((await answer)[0])).toBe("answer");
    connection.end();
    expect(await ended).toEqual([0, null]);
  });

  it("goes on upwards after the end of the socket, which the reader of stdout sees", async () => {
    const { child, connection, ended } = await forwarded();
    child.stdout.resume();
    // sshd tells its client of the end of stdout only with that of stderr.
    child.stderr.resume();
    const seen = [once(child.stdout, "end"), once(child.stderr, "end")];
    connection.end("farewell");
    await Promise.all(seen);
    child.stdin.write("still here");
    expect(String((await once(connection, "data"))[0])).toBe("still here");
    child.stdin.end();
    connection.resume();
    expect(await ended).toEqual([0, null]);
  });

  it("ends when the daemon is gone, without a word", async () => {
    const { child, connection, ended } = await forwarded();
    let said = "";
    child.stderr.on("data", (text) => (said += String(text)));
    connection.destroy();
    child.stdin.on("error", () => {});
    child.stdin.write("into the void");
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
    expect(said).toBe("");
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends with %s", async (signal) => {
    const { child, connection, ended } = await forwarded();
    const closed = once(connection, "end");
    connection.resume();
    child.kill(signal);
    expect(await ended).toEqual([signal === "SIGINT" ? 130 : 143, null]);
    await closed;
    connection.destroy();
  });

  it("names the socket that it cannot connect to", async () => {
    const { code, stderr } = await here.run(["fd-forward", "/nonexistent.sock"]);
    expect([code, stderr]).toEqual([
      1,
      "fd-forward: cannot connect to /nonexistent.sock: connect ENOENT /nonexistent.sock\n" +
        "  Is fleetd running on this machine?\n",
    ]);
  });
});
