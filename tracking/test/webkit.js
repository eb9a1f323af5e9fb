/**
 * WebKit, the engine of Safari, as Debian has it (packages `webkit2gtk-driver` and `xvfb`): driven by WebDriver, as Playwright
 * knows only builds of its own. https://www.w3.org/TR/webdriver2/
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const DRIVER = '/usr/bin/WebKitWebDriver';
const DISPLAY_SERVER = '/usr/bin/Xvfb';
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'; // the standard's name of a reference to one

/** Why it cannot be started here; false when it can, as the test runner's `skip` has it. */
export const whyNoWebKit = await Promise.all([DRIVER, DISPLAY_SERVER].map((file) => access(file))).then(
  () => false,
  ({ path }) => `${path} is not there: apt install webkit2gtk-driver xvfb`,
);

/** A driver, whose sessions are new browsers. */
export class WebKit {
  #processes = [];
  #origin;

  async start() {
    const display = this.#spawn(DISPLAY_SERVER, ['-displayfd', '1', '-screen', '0', '1280x900x24'], {});
    const [number] = await once(createInterface({ input: display.stdout }), 'line');
    const port = await freePort();
    this.#origin = `http://127.0.0.1:${port}`;
    this.#spawn(DRIVER, ['-p', port], { DISPLAY: `:${number}`, LIBGL_ALWAYS_SOFTWARE: '1', NO_AT_BRIDGE: '1' });
    for (const end = Date.now() + 20_000; !(await this.call('GET', '/status').catch(() => undefined))?.ready; ) {
      if (Date.now() > end) throw new Error(`${DRIVER} does not answer`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  #spawn(command, args, environment) {
    const child = spawn(command, args.map(String), { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#processes.push(child);
    return child;
  }

  async stop() {
    for (const child of this.#processes.splice(0).reverse()) {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
  }

  /** A browser without a past, which reaches every host at this port of ours, as it would through a proxy. */
  async open(port) {
    const proxy = { proxyType: 'manual', httpProxy: `127.0.0.1:${port}` };
    const { sessionId } = await this.call('POST', '/session', { capabilities: { alwaysMatch: { proxy } } });
    return new Session(this, `/session/${sessionId}`);
  }

  /** What the driver answers. Throws what it says went wrong. */
  async call(method, path, body) {
    const signal = AbortSignal.timeout(30_000);
    const answer = await fetch(this.#origin + path, { method, body: body && JSON.stringify(body), signal });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }
}

class Session {
  #webkit;
  #path;

  constructor(webkit, path) {
    this.#webkit = webkit;
    this.#path = path;
  }

  #call(method, path, body) {
    return this.#webkit.call(method, this.#path + path, body);
  }

  async #find(selector) {
    const { [ELEMENT]: id } = await this.#call('POST', '/element', { using: 'css selector', value: selector });
    return `/element/${id}`;
  }

  goto(url) {
    return this.#call('POST', '/url', { url });
  }

  back() {
    return this.#call('POST', '/back', {});
  }

  /** What a function gives that runs in the page; it can only use what it is given. */
  evaluate(work, ...args) {
    return this.#call('POST', '/execute/sync', { script: `return (${work})(...arguments)`, args });
  }

  async fill(selector, text) {
    await this.#call('POST', `${await this.#find(selector)}/value`, { text });
  }

  async click(selector) {
    await this.#call('POST', `${await this.#find(selector)}/click`, {});
  }

  /** All cookies of the page, those of the server as well. */
  cookies() {
    return this.#call('GET', '/cookie');
  }

  close() {
    return this.#call('DELETE', '');
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
