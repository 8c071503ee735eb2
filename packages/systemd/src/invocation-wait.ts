import { AbortedError, FleetError } from "@fleet/runtime";
import type { SystemdSession } from "./systemd-session.ts";

/** D-Bus object path of a unit; systemd loads it for the question. */
export async function unitPath(session: SystemdSession, name: string): Promise<string> {
  const unit = (await session.list([name])).get(name);
  if (unit !== undefined) return unit.path;
  throw new FleetError("systemd_refused", `systemd knows no unit ${name}`);
}

/**
 * Waits until a unit has another invocation than a former one. systemd does not signal InvocationID: whoever hears of
 * any change of the unit calls `look`, and the property is read again.
 */
export class InvocationWait {
  readonly #session: SystemdSession;
  readonly #name: string;
  readonly #former: string;
  #look: (() => void) | undefined;

  constructor(session: SystemdSession, name: string, former: string) {
    this.#session = session;
    this.#name = name;
    this.#former = former;
  }

  /** The unit may have changed. */
  look(): void {
    this.#look?.();
  }

  async hasBegun(): Promise<boolean> {
    const present = await this.#session.invocation(await unitPath(this.#session, this.#name));
    return present !== "" && present !== this.#former;
  }

  /**
   * Resolves with the result of the job, or as soon as another invocation has begun meanwhile: with undefined then. Rejects
   * with what the job rejects with, AbortedError when the signal fires.
   */
  async during<Result>(
    job: (waiting: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result | undefined> {
    const begun = new AbortController();
    let reading = false;
    let again = false;
    const read = async (): Promise<void> => {
      reading = true;
      try {
        do {
          again = false;
          if (await this.hasBegun()) begun.abort();
        } while (again && !begun.signal.aborted);
      } finally {
        reading = false;
      }
    };
    this.#look = () => {
      again = true;
      // A reading that fails is made up for by the end of the job, or of the connection.
      if (!reading) void read().catch(() => {});
    };
    try {
      return await job(AbortSignal.any([signal, begun.signal]));
    } catch (error) {
      if (begun.signal.aborted && !signal.aborted && error instanceof AbortedError) return undefined;
      throw error;
    } finally {
      this.#look = undefined;
    }
  }
}
