export type Arguments =
  | { readonly command: "run"; readonly configPath: string | undefined }
  | { readonly command: "version" }
  | { readonly command: "help" }
  | { readonly command: "wrong"; readonly problem: string };

export const helpText = `fleetd runs units of the cluster on this machine, and schedules them when it leads.

Usage: fleetd [--config FILE]
       fleetd version

  --config FILE   configuration file (default: /etc/fleet/fleet.conf, if it exists)
  --version       print the version and exit
  --help          print this help and exit

Every option of the configuration can be set in the environment too, as FLEET_<OPTION>.
Signals: SIGHUP reloads the configuration, SIGUSR1 prints the state as JSON,
SIGUSR2 has more logged, or no longer; SIGTERM and SIGINT unload the local units and leave the cluster.
`;

/** Reads the command line, without the program's name. One dash does for a flag, as it did in fleet 1.0. */
export function parseArguments(argv: readonly string[]): Arguments {
  let configPath: string | undefined;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, flag, attached] = /^--?([a-z]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag === "config") {
      configPath = attached ?? words.shift();
      if (configPath === undefined || configPath === "") return wrong(`${word} needs the path of a file`);
    } else if (attached === undefined && (flag === "help" || flag === "h")) {
      return { command: "help" };
    } else if ((attached === undefined && flag === "version") || word === "version") {
      return { command: "version" };
    } else {
      return wrong(`unknown argument ${JSON.stringify(word)}`);
    }
  }
  return { command: "run", configPath };
}

function wrong(problem: string): Arguments {
  return { command: "wrong", problem };
}
