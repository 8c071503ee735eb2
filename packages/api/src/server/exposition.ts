import type { FastifyInstance } from "fastify";
import { message } from "../contract/messages.ts";
import { metricsPath } from "../contract/paths.ts";
import { Problem } from "./problem.ts";

/** The daemon's metrics as text. Made without the store: one looks at them when that is away. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

export function addExposition(app: FastifyInstance, exposition: Exposition | undefined): void {
  app.get(metricsPath, async (_request, reply) => {
    if (exposition === undefined) throw new Problem(404, message.notFound);
    return reply.type(exposition.contentType).send(await exposition.text());
  });
}
