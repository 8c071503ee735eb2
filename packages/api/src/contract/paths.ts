/** Where the API is mounted; the second is the name fleet gave it before 1.0, still used by old clients. */
export const apiPrefixes = ["/fleet/v1", "/v1-alpha"] as const;

/** The prefix our own client uses. */
export const apiPrefix = apiPrefixes[0];

/** Outside the API, as fleet has it: what Prometheus scrapes. */
export const metricsPath = "/metrics";

/** The page that shows the cluster is below it. Fleet 1.0 has none. */
export const dashboardPath = "/ui";

/** Units that a list can be limited to: each may have a file of 1 MiB, and their names have to fit into a URL. */
export const maxNamedUnits = 50;

/** Query parameters, spelled as on the wire. */
export const query = {
  pageToken: "nextPageToken",
  /** How many rows of a listing the client takes at once; fleet 1.0 ignores it. */
  rows: "rows",
  machineId: "machineID",
  unitName: "unitName",
  /** Names, comma-separated, that a watch or the list of units is limited to. */
  units: "units",
  /** Of a watch: which kinds of rows, comma-separated. */
  kinds: "kinds",
  /** Of a watch: `none` for summaries instead of units with their files. */
  options: "options",
  /** Of a watch: revision of the last message of a stream that is to be resumed. */
  since: "since",
  /** Of a watch that resumes: the cluster that its snapshot named. */
  cluster: "cluster",
  /** Of the list of events: only those of one unit, of one machine, at most so many. */
  unit: "unit",
  machine: "machine",
  limit: "limit",
} as const;
