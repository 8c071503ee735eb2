import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { TcpProxy } from "@fleet/lab";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let echo: Server;
let proxy: TcpProxy;
beforeEach(async () => {
  echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  proxy = await TcpProxy.start(`http://127.0.0.1:${port}`);
});
afterEach(async () => {
  await proxy.close();
  echo.close();
});

/** A connection through the proxy, and what has come back on it. */
async function connect(): Promise<{ socket: Socket; received: () => string }> {
  const socket = createConnection(proxy.port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return { socket, received: () => text };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the cable of a lab", () => {
  it("forwards both ways", async () => {
    const { socket, received } = await connect();
    socket.write("hello");
    await expect.poll(received).toBe("hello");
  });

  it("carries each byte once, also when it is told to pass what passes already", async () => {
    const { socket, received } = await connect();
    socket.write("a");
    await expect.poll(received).toBe("a");
    proxy.mode = "pass";
    socket.write("b");
    await expect.poll(received).toMatch(/b$/);
    expect(received()).toBe("ab");
  });

  it("loses nothing that was sent while packets were dropped", async () => {
    const { socket, received } = await connect();
    socket.write("a");
    await expect.poll(received).toBe("a");
    proxy.mode = "drop";
    socket.write("b");
    const late = await connect();
    late.socket.write("c");
    await pause(150);
    expect([received(), late.received()]).toEqual(["a", ""]);
    proxy.mode = "pass";
    await expect.poll(() => [received(), late.received()]).toEqual(["ab", "c"]);
  });

  it("closes old connections and new ones while it refuses them", async () => {
    const { socket } = await connect();
    const closed = once(socket, "close");
    proxy.mode = "refuse";
    await closed;
    const late = createConnection(proxy.port, "127.0.0.1").on("error", () => undefined);
    await new Promise((resolve) => late.once("close", resolve));
    proxy.mode = "pass";
    const healed = await connect();
    healed.socket.write("d");
    await expect.poll(healed.received).toBe("d");
  });
});
