import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { answering, RealEtcd } from "./real-etcd.ts";
import { describeStore } from "./store-contract.ts";

const run = promisify(execFile);

describeStore("Etcd3Store", async () => {
  const etcd = await RealEtcd.start();
  const store = etcd.client();
  const other = etcd.client();
  await answering(store);
  return {
    store,
    other,
    compact: async (revision) => {
      await run("etcdctl", ["--endpoints", etcd.endpoint, "compact", String(revision)], {
        env: { PATH: process.env.PATH, ETCDCTL_API: "3" },
      });
    },
    stop: async () => {
      store.close();
      other.close();
      await etcd.stop();
    },
  };
});
