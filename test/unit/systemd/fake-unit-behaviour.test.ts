import { expect, test } from "vitest";
import { behaviourOf } from "../../../packages/systemd/src/fake-unit-behaviour.ts";

const forever = Number.POSITIVE_INFINITY;
const service = (...lines: readonly string[]): string => ["[Service]", ...lines, ""].join("\n");

test.each([
  [
    "a shell loop runs for ever",
    service("ExecStart=/bin/sh -c 'while true; do :; done'"),
    { runMs: forever },
  ],
  ["a sleep ends by itself", service("ExecStart=/bin/sleep 1.5"), { runMs: 1500, fails: false }],
  ["sleep infinity does not", service("ExecStart=/bin/sleep infinity"), { runMs: forever }],
  [
    "steps of ExecStartPre add up",
    service("ExecStartPre=-/bin/sleep 60", "ExecStartPre=/bin/sleep 2", "ExecStart=/bin/cat"),
    { startPreMs: 62_000 },
  ],
  [
    "ExecStop takes its time",
    service("ExecStart=/bin/cat", "ExecStop=/bin/sh -c 'sleep 3; touch x'"),
    { stopMs: 3000 },
  ],
  ["a oneshot is over at once", service("Type=oneshot", "ExecStart=/bin/true"), { oneshot: true, runMs: 0 }],
  [
    "and may remain",
    service("Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"),
    { oneshot: true, remainAfterExit: true },
  ],
  ["false fails", service("ExecStart=/bin/false"), { fails: true, runMs: 0 }],
  ["so does exit 1, later", service("ExecStart=/bin/sh -c 'sleep 2; exit 1'"), { fails: true, runMs: 2000 }],
  ["a service needs an ExecStart", service("Restart=always"), { load: "bad-setting" }],
])("%s", (_, text, expected) => {
  expect(behaviourOf("a.service", text)).toMatchObject(expected);
});

test.each([
  ["a.timer", "waiting"],
  ["a.socket", "listening"],
  ["a.target", "active"],
])("%s is active (%s)", (name, sub) => {
  expect(behaviourOf(name, "")).toMatchObject({ load: "loaded", runMs: forever, activeSub: sub });
});
