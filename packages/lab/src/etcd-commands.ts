import { FleetError } from "@fleet/runtime";
import type { Cluster } from "./cluster.ts";
import type { EtcdMember } from "./etcd.ts";

/** What can be done to the members of a running lab's etcd: command, what it does, and what to say then. */
export const etcdCommands: readonly (readonly [
  name: string,
  command: {
    readonly usage: string;
    readonly summary: string;
    readonly run: (cluster: Cluster, args: readonly string[]) => Promise<string>;
  },
])[] = [
  [
    "kill-etcd",
    {
      usage: "MEMBER",
      summary: "kill -9 of a member of etcd (etcd1); its data stays",
      run: onMember(async (member) => {
        await member.kill();
        return `${member.name} is gone\n`;
      }),
    },
  ],
  [
    "start-etcd",
    {
      usage: "MEMBER...",
      summary: "starts members again with the data they had; all that a quorum takes at once",
      run: async (cluster, names) => {
        if (names.length === 0) throw new FleetError("lab_usage", "which member of etcd?");
        await Promise.all(names.map((name) => cluster.etcd.member(name).restart()));
        return `${names.join(", ")}: up\n`;
      },
    },
  ],
  [
    "pause-etcd",
    {
      usage: "MEMBER",
      summary: "freezes a member (SIGSTOP)",
      run: onMember(async (member) => {
        member.pause();
        return `${member.name} is frozen\n`;
      }),
    },
  ],
  [
    "continue-etcd",
    {
      usage: "MEMBER",
      summary: "lets it go on (SIGCONT)",
      run: onMember(async (member) => {
        member.resume();
        return `${member.name} goes on\n`;
      }),
    },
  ],
  [
    "replace-etcd",
    {
      usage: "MEMBER",
      summary: "its disk is lost, and an empty member takes its place",
      run: onMember(async (member, cluster) => {
        await cluster.etcd.replace(member);
        return `${member.name} is another one\n`;
      }),
    },
  ],
];

/** One line for each member. */
export async function etcdStatus(cluster: Cluster): Promise<string> {
  const lines = await Promise.all(
    cluster.etcd.members.map(async (member) => {
      const status = await member.status();
      const leads = status?.leader !== undefined && status.leader === status.header.member_id;
      return `${member.name} ${member.clientUrl} ${stateOf(member)}${leads ? ", leads" : ""}\n`;
    }),
  );
  return lines.join("");
}

function stateOf(member: EtcdMember): string {
  if (!member.running) return "down";
  return member.paused ? "frozen" : "up";
}

function onMember(run: (member: EtcdMember, cluster: Cluster) => Promise<string>) {
  return async (cluster: Cluster, [name]: readonly string[]): Promise<string> => {
    if (name === undefined) throw new FleetError("lab_usage", "which member of etcd?");
    return await run(cluster.etcd.member(name), cluster);
  };
}
