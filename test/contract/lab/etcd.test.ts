import { LabDirectory, startEtcd } from "@fleet/lab";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let directory: LabDirectory;
beforeEach(() => {
  directory = LabDirectory.create();
});
afterEach(async () => {
  await directory.remove();
});

/** Answer of etcd's JSON gateway, or undefined when there is none within half a second. */
async function post(endpoint: string, path: string, body: unknown): Promise<string | undefined> {
  try {
    const response = await fetch(`${endpoint}/v3/kv/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(500),
    });
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}

const key = Buffer.from("k").toString("base64");
const value = Buffer.from("v").toString("base64");

describe("etcd in the lab", () => {
  it("keeps its data over a restart", async () => {
    const etcd = await startEtcd({ directory });
    const [endpoint = ""] = etcd.endpoints;
    await post(endpoint, "put", { key, value });
    await etcd.restart();
    expect(await post(endpoint, "range", { key })).toContain(value);
  });

  it("answers nothing while it is paused, and goes on afterwards", async () => {
    const etcd = await startEtcd({ directory });
    const [endpoint = ""] = etcd.endpoints;
    etcd.pause();
    expect(await post(endpoint, "put", { key, value })).toBeUndefined();
    etcd.resume();
    await expect.poll(() => post(endpoint, "put", { key, value }), { timeout: 5_000 }).toBeDefined();
  });

  it("with three members survives the loss of one, and not of two", async () => {
    const etcd = await startEtcd({ directory, members: 3 });
    const [endpoint = ""] = etcd.endpoints;
    await etcd.members[1]?.kill();
    await expect.poll(() => post(endpoint, "put", { key, value }), { timeout: 10_000 }).toBeDefined();
    await etcd.members[2]?.kill();
    expect(await post(endpoint, "put", { key, value })).toBeUndefined();
    await Promise.all([etcd.members[1]?.restart(), etcd.members[2]?.restart()]);
    await expect.poll(() => post(endpoint, "range", { key }), { timeout: 10_000 }).toContain(value);
  });

  it("with three members replaces one that has lost its disk, also the one that leads, and keeps what it knows", async () => {
    const etcd = await startEtcd({ directory, members: 3 });
    expect((await etcd.call("kv/put", { key, value })).status).toBe(200);
    const old = await etcd.leader();
    await etcd.replace(old);
    expect(old.running).toBe(true);
    await expect.poll(() => post(old.clientUrl, "range", { key }), { timeout: 10_000 }).toContain(value);
    // It counts for the quorum: another may go now.
    await etcd.members.find((member) => member !== old)?.kill();
    await expect.poll(() => post(old.clientUrl, "put", { key, value }), { timeout: 10_000 }).toBeDefined();
  });

  it("has another leader while the one that led is paused, and asks whoever answers", async () => {
    const etcd = await startEtcd({ directory, members: 3 });
    const old = await etcd.leader();
    old.pause();
    await expect
      .poll(
        () =>
          etcd.leader().then(
            ({ name }) => name,
            () => old.name,
          ),
        { timeout: 10_000 },
      )
      .not.toBe(old.name);
    expect((await etcd.call("kv/put", { key, value })).status).toBe(200);
    old.resume();
    await expect.poll(() => post(old.clientUrl, "range", { key }), { timeout: 10_000 }).toContain(value);
  });

  it("names its members when asked for another", async () => {
    const etcd = await startEtcd({ directory });
    expect(() => etcd.member("etcd7")).toThrow('no member "etcd7" here; there are etcd1');
  });
});
