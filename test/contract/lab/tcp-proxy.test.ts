import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { TcpProxy } from "@fleet/lab";
import { afterEach, beforeEach, expect, it } from "vitest";

/** Sends everything back. */
let echo: Server;
let proxy: TcpProxy;
let client: Socket;
let received = "";

beforeEach(async () => {
  echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  proxy = await TcpProxy.start(`http://127.0.0.1:${address.port}`);
  client = connect(proxy.port, "127.0.0.1");
  received = "";
  client.on("data", (chunk) => {
    received += chunk.toString();
  });
  await once(client, "connect");
});
afterEach(async () => {
  client.destroy();
  await proxy.close();
  echo.close();
});

it("carries each byte once, also when it is told to pass what passes already", async () => {
  client.write("one ");
  await expect.poll(() => received).toBe("one ");
  proxy.mode = "pass";
  client.write("two ");
  await expect.poll(() => received).toMatch(/two $/);
  expect(received).toBe("one two ");
});

it("carries nothing while it drops, and everything after that", async () => {
  client.write("one ");
  await expect.poll(() => received).toBe("one ");
  proxy.mode = "drop";
  client.write("two ");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(received).toBe("one ");
  proxy.mode = "pass";
  await expect.poll(() => received).toBe("one two ");
});

it("closes its connections when it refuses", async () => {
  client.on("error", () => undefined);
  proxy.mode = "refuse";
  await once(client, "close");
  const late = connect(proxy.port, "127.0.0.1");
  const [error] = await once(late, "error");
  expect(error).toMatchObject({ code: "ECONNRESET" });
});
