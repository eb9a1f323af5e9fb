/** WebKit, the engine of Safari, as Debian has it: a driver that speaks WebDriver over HTTP, and a screen, as it needs one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { end, eventually, freePort, Page, proxied, whyAbsent } from './webdriver.js';

const DRIVER = '/usr/bin/WebKitWebDriver';
const SCREEN = '/usr/bin/Xvfb';
const ROUTES = {
  Navigate: () => ['POST', '/url'],
  Back: () => ['POST', '/back'],
  ExecuteScript: () => ['POST', '/execute/sync'],
  FindElement: () => ['POST', '/element'],
  ElementSendKeys: ({ id }) => ['POST', `/element/${id}/value`],
  ElementClick: ({ id }) => ['POST', `/element/${id}/click`],
  GetCookies: () => ['GET', '/cookie'],
};

export class WebKit {
  static skip = whyAbsent([DRIVER, SCREEN], 'webkit2gtk-driver xvfb');
  #processes = [];
  #origin;

  async start() {
    const screen = this.#spawn(SCREEN, ['-displayfd', '1', '-screen', '0', '1280x900x24'], {});
    const [number] = await once(createInterface({ input: screen.stdout }), 'line');
    const port = await freePort();
    this.#origin = `http://127.0.0.1:${port}`;
    this.#spawn(DRIVER, ['-p', String(port)], { DISPLAY: `:${number}`, LIBGL_ALWAYS_SOFTWARE: '1', NO_AT_BRIDGE: '1' });
    await eventually(() => this.#call('GET', '/status'));
  }

  #spawn(command, args, environment) {
    const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#processes.push(child);
    return child;
  }

  async stop() {
    for (const child of this.#processes.splice(0).reverse()) await end(child);
  }

  /** A page of a browser without a past. @param {number} port where every host is */
  async open(port) {
    const { sessionId } = await this.#call('POST', '/session', { capabilities: { alwaysMatch: proxied(port) } });
    const command = (name, parameters) => {
      const [method, route] = ROUTES[name](parameters);
      return this.#call(method, `/session/${sessionId}${route}`, parameters);
    };
    return new Page(command, () => this.#call('DELETE', `/session/${sessionId}`));
  }

  /** What the driver answers. Throws what it says went wrong. */
  async #call(method, path, body) {
    const signal = AbortSignal.timeout(30_000);
    const answer = await fetch(this.#origin + path, { method, body: body && JSON.stringify(body), signal });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }
}
