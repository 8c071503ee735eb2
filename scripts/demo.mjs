// `npm run demo`: a cluster of three real machines, from a bare clone. `-- --exit` leaves after the show.

import { checkout, orExplain, prepare } from "./prepare.mjs";

await orExplain(async () => {
  prepare({ machines: true });
  const { main } = await import(new URL(`file://${checkout}/packages/lab/dist/demo.js`).href);
  process.exitCode = await main(process.argv.slice(2));
});
