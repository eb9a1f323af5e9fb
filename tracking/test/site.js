/**
 * A site under test: pages of test/pages on any host ending in `.test`, the script, and a collector that writes down what it
 * gets, all one local server; and the Chromium that visits it.
 */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const here = (path) => new URL(path, import.meta.url);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** One browser for every file of tests in this process: starting it costs more than most tests. */
let browser;
let users = 0;

export async function openSite() {
  const site = new Site();
  await site.open();
  return site;
}

class Site {
  /** Attributes of the script tag on the pages served next. */
  attributes = '';
  headers = {};
  /** The host of the collector; empty for the page's own, as with a first-party proxy. */
  collectorHost = 'c.acme.test';
  /** The collect path: `/t` and, below it, all the rest. */
  path = '/t';
  /** Answers of the collector come so much later, ms. */
  delay = 0;
  /** What the collector puts in the place of `"__CONFIG__"`, if anything. */
  config = undefined;
  /** What `POST /t/i` answers, given the body sent: a body, or a status. */
  identity = ({ tracking_id }) => ({ tracking_id, expires_in: 120 });
  /** Answers of `POST /t/i` come so much later, ms. */
  identityDelay = 0;
  /** Every body of `POST /t/i`. */
  identityRequests = [];
  /** Every page asked for, with host and query. */
  visited = [];
  /** What the collector answers: a status and headers, or `cut` to break the connection. */
  answer = { status: 202 };
  /** Every POST, with its parsed body. */
  requests = [];

  async open() {
    this.server = createServer((request, response) => this.#serve(request, response));
    await new Promise((listening) => this.server.listen(0, '127.0.0.1', listening));
    this.port = this.server.address().port;
    users++;
    browser ??= chromium.launch({
      executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
      args: [...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--host-resolver-rules=MAP *.test 127.0.0.1'],
    });
    this.browser = await browser;
  }

  async close() {
    if (--users === 0) await this.browser.close();
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  /** A new browser profile, and a site that knows nothing yet. */
  async visitor(options = {}) {
    this.attributes = '';
    this.headers = {};
    this.collectorHost = 'c.acme.test';
    this.path = '/t';
    this.delay = 0;
    this.config = undefined;
    this.identity = ({ tracking_id }) => ({ tracking_id, expires_in: 120 });
    this.identityDelay = 0;
    this.identityRequests = [];
    this.visited = [];
    this.answer = { status: 202 };
    this.requests = [];
    return this.browser.newContext({ locale: 'pt-BR', timezoneId: 'America/Sao_Paulo', ...options });
  }

  url(path, host = 'lp.acme.test') {
    return `http://${host}:${this.port}${path}`;
  }

  /** Every event the collector accepted, in order of arrival; repetitions included. */
  events(name) {
    const all = this.requests.filter((request) => request.status < 300).flatMap((request) => request.body.events);
    return name ? all.filter((event) => event.name === name) : all;
  }

  names() {
    return this.events().map((event) => event.name);
  }

  /** Wait until the collector has accepted this many events (of a name), and answer with them. */
  async received(count, name, timeoutMs = 8000) {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await wait(20)) {
      if (this.events(name).length >= count) return this.events(name);
    }
    throw new Error(`waited for ${count} ${name ?? 'events'}, got ${JSON.stringify(this.names())}`);
  }

  /** Give what must not come the time to come. */
  async quiet(ms = 400) {
    await wait(ms);
  }

  async #serve(request, response) {
    const { pathname } = new URL(request.url, 'http://any');
    if (request.method === 'POST' && pathname === this.path) return this.#collect(request, response);
    if (request.method === 'POST' && pathname === `${this.path}/i`) return this.#identify(request, response);
    if (pathname === `${this.path}.js`) {
      response.setHeader('Content-Type', 'text/javascript; charset=utf-8');
      const script = await readFile(here('../dist/t.js'), 'utf8');
      return response.end(this.config ? script.replace('"__CONFIG__"', JSON.stringify(this.config)) : script);
    }
    if (request.method === 'POST') return response.writeHead(303, { Location: '/plain' }).end();
    this.visited.push(request.headers.host.split(':')[0] + request.url);
    if (pathname === '/redirect') return response.writeHead(302, { Location: new URL(request.url, 'http://any').searchParams.get('to') }).end();
    const name = pathname === '/' ? 'plain' : pathname.slice(1).split('/')[0];
    const page = await readFile(here(`pages/${name}.html`), 'utf8').catch(() => undefined);
    if (!page) return response.writeHead(404).end();
    const consentMode = await readFile(here('../snippets/consent-mode.html'), 'utf8');
    const origin = this.collectorHost && `http://${this.collectorHost}:${this.port}`;
    const script = `<script src="${origin}${this.path}.js?v=1" ${this.attributes}></script>`;
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...this.headers });
    response.end(page.replace('<!-- consent mode -->', consentMode).replace('<!-- script -->', script));
  }

  async #identify(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks));
    this.identityRequests.push(body);
    if (this.identityDelay) await wait(this.identityDelay);
    const answer = await this.identity(body);
    const status = typeof answer === 'number' ? answer : 200;
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Set-Cookie': `known=1; HttpOnly; Path=/${body.forget ? '; Max-Age=0' : ''}`,
      'Access-Control-Allow-Origin': request.headers.origin || '*',
    });
    response.end(JSON.stringify(status === 200 ? answer : { type: 'about:blank', status }));
  }

  async #collect(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = typeof this.answer === 'function' ? await this.answer(this.requests.length) : this.answer;
    if (this.delay) await wait(this.delay);
    if (answer === 'cut') return request.socket.destroy();
    const text = Buffer.concat(chunks).toString();
    this.requests.push({ status: answer.status, type: request.headers['content-type'], size: text.length, at: Date.now(), body: JSON.parse(text) });
    response.writeHead(answer.status, {
      'Access-Control-Allow-Origin': request.headers.origin || '*',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Expose-Headers': 'Retry-After',
      ...answer.headers,
    });
    return response.end('{}');
  }
}
