/**
 * A page in a browser that Playwright knows no stock build of, by the commands of WebDriver
 * (https://www.w3.org/TR/webdriver2/); how they reach the browser is `webkit.js`'s and `firefox.js`'s.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'; // the standard's name of a reference to one

export class Page {
  #command;
  #close;

  /**
   * @param {(name: string, parameters?: object) => Promise<any>} command runs one of the standard's commands
   * @param {() => Promise<any>} close ends the browser
   */
  constructor(command, close) {
    this.#command = command;
    this.#close = close;
  }

  async goto(url) {
    await this.#command('Navigate', { url });
  }

  async back() {
    await this.#command('Back', {});
  }

  /** What a function gives that runs in the page; it can only use what it is given. */
  evaluate(work, ...args) {
    return this.#command('ExecuteScript', { script: `return (${work})(...arguments)`, args });
  }

  async fill(selector, text) {
    await this.#command('ElementSendKeys', { id: await this.#find(selector), text });
  }

  async click(selector) {
    await this.#command('ElementClick', { id: await this.#find(selector) });
  }

  async #find(selector) {
    const { [ELEMENT]: id } = await this.#command('FindElement', { using: 'css selector', value: selector });
    return id;
  }

  /** All cookies of the page, those of the server as well. */
  cookies() {
    return this.#command('GetCookies');
  }

  async close() {
    await this.#close();
  }
}

/** Every host is at this port of ours, which sees requests as a proxy does. */
export const proxied = (port) => ({ proxy: { proxyType: 'manual', httpProxy: `127.0.0.1:${port}` } });

/** Why tests are skipped, when one of these files is not there; false when all are. @param {string[]} files @param {string} packages of Debian */
export function whyAbsent(files, packages) {
  const absent = files.find((file) => !existsSync(file));
  return absent ? `${absent} is not there: apt install ${packages}` : false;
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Try until it succeeds. Throws its last error after 20 s. */
export async function eventually(work) {
  for (const end = Date.now() + 20_000; ; await new Promise((done) => setTimeout(done, 50))) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** End a process, and wait until it has. */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}
