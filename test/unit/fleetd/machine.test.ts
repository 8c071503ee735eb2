import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { NetworkInterfaceInfo } from "node:os";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { readMachineId } from "../../../packages/fleetd/src/machine-id.ts";
import { detectPublicIp, readRoutes } from "../../../packages/fleetd/src/public-ip.ts";
import { version } from "../../../packages/fleetd/src/version.ts";

describe("readMachineId", () => {
  let path: string;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetd-id-"));
    path = join(directory, "machine-id");
  });
  afterAll(() => rm(directory, { recursive: true }));

  test.each(["0acdd9bf1a1c4ea0a1c4ea0a1c4ea0aa\n", "0ACDD9BF1A1C4EA0A1C4EA0A1C4EA0AA"])(
    "reads %j",
    async (text) => {
      await writeFile(path, text);
      expect(await readMachineId(path)).toBe("0acdd9bf1a1c4ea0a1c4ea0a1c4ea0aa");
    },
  );

  test.each(["", "uninitialized\n", "0acdd9bf", "0".repeat(32), "g".repeat(32), "a".repeat(33)])(
    "refuses %j",
    async (text) => {
      await writeFile(path, text);
      await expect(readMachineId(path)).rejects.toMatchObject({ code: "machine_id_unusable" });
    },
  );

  test("a missing file is said", async () => {
    await expect(readMachineId(join(directory, "none"))).rejects.toThrow(
      "cannot read the machine id: ENOENT",
    );
  });
});

describe("detectPublicIp", () => {
  const header =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                 \n";
  const route = (name: string, destination: string, metric: number, mask: string) =>
    `${name}\t${destination}\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`;
  const ipv4 = (address: string): NetworkInterfaceInfo => ({
    address,
    netmask: "255.255.255.0",
    mac: "02:00:00:00:00:01",
    internal: address.startsWith("127."),
    cidr: `${address}/24`,
    family: "IPv4",
  });
  const ipv6 = (address: string): NetworkInterfaceInfo => ({
    address,
    netmask: "ffff:ffff:ffff:ffff::",
    mac: "02:00:00:00:00:01",
    internal: address === "::1",
    cidr: `${address}/64`,
    family: "IPv6",
    scopeid: 0,
  });
  const interfaces = {
    lo: [ipv4("127.0.0.1"), ipv6("::1")],
    docker0: [ipv4("172.17.0.1")],
    eth0: [ipv6("fe80::1"), ipv6("2001:db8::1"), ipv4("10.0.2.15")],
    eth1: [ipv4("172.17.8.101")],
  };

  const cases: readonly {
    what: string;
    routes: string;
    interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[]>>;
    expected: string;
  }[] = [
    {
      what: "the interface of the default route",
      routes: header + route("eth0", "000200C0", 0, "00FFFFFF") + route("eth1", "00000000", 0, "00000000"),
      interfaces,
      expected: "172.17.8.101",
    },
    {
      what: "the lowest metric of several",
      routes:
        header + route("eth1", "00000000", 200, "00000000") + route("eth0", "00000000", 100, "00000000"),
      interfaces,
      expected: "10.0.2.15",
    },
    { what: "the first that is not loopback", routes: header, interfaces, expected: "172.17.0.1" },
    { what: "no routes known", routes: "", interfaces, expected: "172.17.0.1" },
    {
      what: "a routed interface without addresses",
      routes: header + route("tun0", "00000000", 0, "00000000"),
      interfaces,
      expected: "172.17.0.1",
    },
    {
      what: "IPv6 only, not link-local",
      routes: "",
      interfaces: { eth0: [ipv6("fe80::1"), ipv6("2001:db8::1")] },
      expected: "2001:db8::1",
    },
    { what: "loopback alone", routes: "", interfaces: { lo: interfaces.lo }, expected: "" },
  ];
  test.each(cases)("$what", ({ routes, interfaces: present, expected }) => {
    expect(detectPublicIp(routes, present)).toBe(expected);
  });

  test("a kernel that shows no routes is no error", async () => {
    expect(await readRoutes("/nonexistent/route")).toBe("");
  });
});

test("fleetd has the version of the whole", () => {
  expect(version).toBe(packageJson.version);
});
