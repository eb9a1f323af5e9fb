/** Work whose errors never reach the page. */

/** Run `work`; undefined when it throws. @template T @param {() => T} work @returns {T | undefined} */
export function quietly(work) {
  try {
    return work();
  } catch {}
}

/**
 * Listen on the window in the capture phase, before the page's own listeners.
 * @param {string[]} names
 * @param {(event: any) => void} handle
 */
export function listen(names, handle) {
  for (const name of names) addEventListener(name, (event) => quietly(() => handle(event)), true);
}

/** @param {() => void} work */
export function everySecond(work) {
  setInterval(quietly, 1000, work);
}
