import { answering, RealEtcd } from "./real-etcd.ts";
import { describeRegistry } from "./registry-contract.ts";

describeRegistry("etcd", async () => {
  const etcd = await RealEtcd.start();
  const probe = etcd.client();
  await answering(probe);
  probe.close();
  return { client: () => etcd.client(), stop: () => etcd.stop() };
});
