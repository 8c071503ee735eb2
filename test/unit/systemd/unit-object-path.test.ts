import { expect, test } from "vitest";
import { unitNameOf, unitObjectPath } from "../../../packages/systemd/src/unit-object-path.ts";

test.each([
  ["/org/freedesktop/systemd1/unit/hello_2eservice", "hello.service"],
  ["/org/freedesktop/systemd1/unit/a_401_2eservice", "a@1.service"],
  ["/org/freedesktop/systemd1/unit/foo_5cx2dbar_2eservice", "foo\\x2dbar.service"],
  ["/org/freedesktop/systemd1/unit/a_3ab_5fc_2dd_2etimer", "a:b_c-d.timer"],
  ["/org/freedesktop/systemd1/unit/_31_2eservice", "1.service"],
  ["/org/freedesktop/systemd1/job/12", undefined],
  ["/org/freedesktop/systemd1", undefined],
])("%s is the object of %s", (path, name) => {
  expect(unitNameOf(path)).toBe(name);
  if (name !== undefined) expect(unitObjectPath(name)).toBe(path);
});
