import { useEffect, useState } from "preact/hooks";
import type { Answer } from "../server.ts";

/** Changes that come close together are asked about once, in milliseconds. */
const settleMs = 250;

/**
 * What the server says, asked again whenever `version` changes. While it is asked again the answer before stands.
 *
 * @param key what is asked about: a new one begins without an answer
 */
export function useAnswer<Value>(
  ask: (key: string) => Promise<Answer<Value>>,
  key: string,
  version: string,
): Answer<Value> | undefined {
  const [known, setKnown] = useState<{ readonly key: string; readonly answer: Answer<Value> }>();
  const isFirst = known?.key !== key;
  // What it is asked again for is in `version` alone.
  const request = `${version}\n${key}`;
  useEffect(() => {
    let current = request !== "";
    const timer = setTimeout(
      () => {
        void ask(key).then((answer) => {
          if (current) setKnown({ key, answer });
        });
      },
      isFirst ? 0 : settleMs,
    );
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [ask, key, request]);
  return isFirst ? undefined : known.answer;
}
