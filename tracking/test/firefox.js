/**
 * Firefox, as Debian has it, without a driver: it speaks WebDriver's commands itself, over a socket
 * (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, eventually, freePort, Page, proxied, whyAbsent } from './webdriver.js';

const PROGRAM = '/usr/bin/firefox-esr';
/** It may ask for nothing of its own: what it asks over HTTP would come to the site. */
const PREFERENCES = {
  'app.normandy.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.security.https_first': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#none',
};

export class Firefox {
  static skip = whyAbsent([PROGRAM], 'firefox-esr');

  async start() {}

  async stop() {}

  /** A page of a browser without a past. @param {number} port where every host is */
  async open(port) {
    const profile = await mkdtemp(join(tmpdir(), 'echolead-firefox-'));
    const own = await freePort();
    const preferences = Object.entries({ ...PREFERENCES, 'marionette.port': own });
    await writeFile(join(profile, 'user.js'), preferences.map((each) => `user_pref(${each.map((part) => JSON.stringify(part))});\n`).join(''));
    const child = spawn(PROGRAM, ['--headless', '--marionette', '--no-remote', '--profile', profile], { stdio: 'ignore' });
    const close = async () => {
      await end(child);
      await rm(profile, { recursive: true, maxRetries: 5 });
    };
    try {
      const marionette = await eventually(() => Marionette.at(own));
      await marionette.command('NewSession', proxied(port));
      return new Page((...said) => marionette.command(...said), close);
    } catch (error) {
      await close();
      throw error;
    }
  }
}

/** Commands and results, as `length:[0, id, name, parameters]` and `length:[1, id, error, result]`. */
class Marionette {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = new Map();
  #lastId = 0;

  static async at(port) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Marionette(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#receive(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('Firefox has gone')));
  }

  /** What a command gives. Throws what Firefox says went wrong, and after 30 s. */
  command(name, parameters = {}) {
    const id = ++this.#lastId;
    const text = JSON.stringify([0, id, `WebDriver:${name}`, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((done, failed) => {
      const timer = setTimeout(() => failed(new Error(`${name}: no answer in 30 s`)), 30_000);
      this.#waiting.set(id, (error, result) => {
        clearTimeout(timer);
        if (error) failed(error);
        else done(result && 'value' in result ? result.value : result);
      });
    });
  }

  #receive(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (;;) {
      const start = this.#received.indexOf(':') + 1;
      const stop = start + Number(this.#received.subarray(0, Math.max(0, start - 1)));
      if (!start || this.#received.length < stop) return;
      const message = JSON.parse(this.#received.subarray(start, stop));
      this.#received = this.#received.subarray(stop);
      if (Array.isArray(message)) this.#settle(message); // the first one is a greeting
    }
  }

  #settle([, id, error, result]) {
    this.#waiting.get(id)?.(error && new Error(`${error.error}: ${error.message}`), result);
    this.#waiting.delete(id);
  }

  #fail(error) {
    for (const [id, settle] of this.#waiting) {
      this.#waiting.delete(id);
      settle(error);
    }
  }
}
