/** Circular imports among modules. */

/**
 * The first circle of imports, its first module named again at the end; undefined when there is none.
 * @param {Record<string, {imports: {path: string}[]}>} modules as in esbuild's metafile
 */
export function findCycle(modules) {
  const done = new Set();
  /** @param {string} module @param {string[]} path */
  function visit(module, path) {
    if (path.includes(module)) return [...path.slice(path.indexOf(module)), module];
    if (done.has(module)) return undefined;
    for (const { path: imported } of modules[module]?.imports ?? []) {
      const cycle = visit(imported, [...path, module]);
      if (cycle) return cycle;
    }
    done.add(module);
    return undefined;
  }
  for (const module of Object.keys(modules)) {
    const cycle = visit(module, []);
    if (cycle) return cycle;
  }
  return undefined;
}
