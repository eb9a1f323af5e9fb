/**
 * The real collector, with a queue, a database and tenants of its own (tests/fixtures/script_collector.py): one process
 * for every file of tests, as starting it takes seconds.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const root = new URL('../..', import.meta.url).pathname;
const python = process.env.ECHOLEAD_TEST_PYTHON || `${root}.venv/bin/python`;

/** Resolves when it can store events; rejects when it could not be started, which its own output explains. */
export async function startCollector() {
  const child = spawn(python, ['-m', 'tests.fixtures.script_collector'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const failed = once(child, 'error').then(([error]) => { throw error; });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const collector = new Collector(child, lines);
  Object.assign(collector, await Promise.race([collector.hear(), failed]));
  // Tests that ended without closing it must not be kept waiting by it; it ends with its input.
  for (const handle of [child, child.stdin, child.stdout]) handle.unref();
  return collector;
}

class Collector {
  /** Where it listens, on 127.0.0.1. */
  port = 0;
  /** Where a second collector listens, which serves the smallest build of the script. */
  smallest_port = 0;
  /** What the Chatwoot of the tenant `prova` checks identities with. */
  chatwoot_hmac_token = '';
  /** Events a minute of the tenant `cheia`. */
  limit = 0;
  #child;
  #lines;

  constructor(child, lines) {
    this.#child = child;
    this.#lines = lines;
  }

  async hear() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${python} could not run the collector`);
    return JSON.parse(value);
  }

  /** `kill` (no time to finish anything), `start`, `unlimit` (the tenant `cheia`); resolves when it is done. */
  async do(word) {
    this.#child.stdin.write(`${word}\n`);
    await this.hear();
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode) return; // it failed; the tests have said so
    const ended = once(this.#child, 'exit');
    this.#child.ref();
    this.#child.stdin.end();
    await ended;
  }
}
