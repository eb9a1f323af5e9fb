/**
 * A site under test: pages of test/pages on any host ending in `.test`, and the real collector behind the same local server,
 * which passes on what is asked and answered and writes it down; and the Chromium that visits it.
 */
import assert from 'node:assert/strict';
import { createServer, request as ask } from 'node:http';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { afterEach } from 'node:test';
import { chromium } from 'playwright-core';
import { startCollector } from './collector.js';

const here = (path) => new URL(path, import.meta.url);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** One browser and one collector for every file of tests in this process: starting them costs more than most tests. */
let browser;
let collector;
const sites = new Set();

export async function openSite() {
  const site = new Site();
  await site.open();
  return site;
}

afterEach(async () => {
  for (const site of sites) await site.settle();
});

class Site {
  /** Which Chromium, and with what: on a root account, and with `*.test` on this machine. */
  chromium = {
    executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
    args: [...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--host-resolver-rules=MAP *.test 127.0.0.1'],
  };
  /** What the collector refused, event by event or whole requests: each fails the test, unless it says it expects the reason. */
  refusals = [];
  #underWay = new Set();
  /** Sessions of tests that have ended: a browser sends their last requests although it is closed. */
  #gone = new Set();

  async open() {
    this.forget();
    // One after the other: what fails must leave nothing behind that keeps the tests from ending.
    this.collector = await (collector ??= startCollector());
    this.browser = await (browser ??= chromium.launch(this.chromium));
    this.server = createServer((request, response) => this.#watch(this.#serve(request, response)));
    await new Promise((listening) => this.server.listen(0, '127.0.0.1', listening));
    this.port = this.server.address().port;
    sites.add(this);
  }

  async close() {
    sites.delete(this);
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
    if (!sites.size) await Promise.all([this.browser.close(), this.collector.stop()]);
  }

  /** A new profile of Chromium, and a site that knows nothing yet. */
  async visitor(options = {}) {
    this.forget();
    return this.browser.newContext({ locale: 'pt-BR', timezoneId: 'America/Sao_Paulo', ...options });
  }

  /** Be a site that knows nothing yet. */
  forget() {
    /** Which tenant's pages: theirs are on `lp.`, their collector on `c.` of this domain. */
    this.domain = 'acme.test';
    /** Whether the collector is on the page's own host. */
    this.isFirstParty = false;
    /** The collect path: `/t` and, below it, all the rest. */
    this.path = '/t';
    /** Whether the collector serves the smallest build of the script. */
    this.isSmallest = false;
    /** Attributes of the script tag on the pages served next. */
    this.attributes = '';
    this.headers = {};
    /** An answer to `POST {path}` in the place of the collector's: a status and headers, `cut` to break the connection, or what gives one of them. */
    this.answer = undefined;
    /** Answers to `POST {path}` come so much later, ms. */
    this.delay = 0;
    /** A status with which `POST {path}/i` is answered in the place of the collector. */
    this.identityStatus = undefined;
    /** Answers of `POST {path}/i` come so much later, ms. */
    this.identityDelay = 0;
    /** Every POST to the collect path: its parsed body, and what came of it. */
    this.requests = [];
    /** Every body of `POST {path}/i`. */
    this.identityRequests = [];
    /** Every page asked for, with host and query. */
    this.visited = [];
    /** Reasons of refusals that belong to the test. */
    this.expectedRefusals = [];
  }

  url(path, host = `lp.${this.domain}`) {
    return `http://${host}:${this.port}${path}`;
  }

  /**
   * Every event the collector accepted, in order of arrival; repetitions included. Pings only by their name: on a slow machine
   * any test may last the 15 s after which one comes.
   */
  events(name) {
    const all = this.requests.flatMap(({ accepted }) => accepted);
    return all.filter((event) => (name ? event.name === name : event.name !== 'page_ping'));
  }

  names() {
    return this.events().map((event) => event.name);
  }

  /**
   * Wait until the collector has accepted this many different events (of a name), and answer with them as they happened:
   * requests of pages that go may overtake and repeat each other.
   */
  async received(count, name, timeoutMs = 20_000) {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await wait(20)) {
      const events = [...new Map(this.events(name).map((event) => [event.event_id, event])).values()];
      if (events.length >= count) return events.sort((a, b) => a.occurred_at.localeCompare(b.occurred_at));
    }
    throw new Error(`waited for ${count} ${name ?? 'events'}, got ${JSON.stringify(this.names())}, refused ${JSON.stringify(this.refusals)}`);
  }

  /** Wait until the collector has refused this much of what was posted to `{path}`, and answer with it. */
  async refused(count, timeoutMs = 20_000) {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await wait(20)) {
      const refusals = this.refusals.filter(({ path }) => path === this.path);
      if (refusals.length >= count) return refusals;
    }
    throw new Error(`waited for ${count} refusals, got ${JSON.stringify(this.refusals)}`);
  }

  /** Give what must not come the time to come. */
  async quiet(ms = 400) {
    await wait(ms);
  }

  /** The end of a test: nothing goes on, and nothing was refused that the test did not expect. */
  async settle() {
    // Those of a test that failed are open, and would go on sending.
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    await Promise.all(this.#underWay);
    for (const { body } of this.requests) for (const { session_id } of body.events ?? []) this.#gone.add(session_id);
    const unexpected = this.refusals.splice(0).filter(({ reason }) => !this.expectedRefusals.includes(reason));
    assert.deepEqual(unexpected, [], 'the collector refused what the script sent');
  }

  /** Keep in mind what is being answered. */
  #watch(exchange) {
    const ended = exchange.finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }

  async #serve(request, response) {
    request.url = request.url.replace(/^http:\/\/[^/]+/, ''); // as a proxy is asked
    const { pathname, searchParams } = new URL(request.url, 'http://any');
    const body = await buffer(request).catch(() => undefined);
    if (!body) return; // the page went, and took it along
    if (pathname === `${this.path}.js`) return this.#pass(request, response, body);
    if (request.method === 'POST' && pathname === this.path) return this.#collect(request, response, body);
    if (request.method === 'POST' && pathname === `${this.path}/i`) return this.#identify(request, response, body);
    if (request.method === 'POST') return response.writeHead(303, { Location: '/plain' }).end();
    this.visited.push(request.headers.host.split(':')[0] + request.url);
    if (pathname === '/redirect') return response.writeHead(302, { Location: searchParams.get('to') }).end();
    return this.#show(pathname === '/' ? 'plain' : pathname.slice(1).split('/')[0], response);
  }

  async #show(name, response) {
    const page = await readFile(here(`pages/${name}.html`), 'utf8').catch(() => undefined);
    if (!page) return response.writeHead(404).end();
    const consentMode = await readFile(here('../snippets/consent-mode.html'), 'utf8');
    const origin = this.isFirstParty ? '' : this.url('', `c.${this.domain}`);
    const script = `<script src="${origin}${this.path}.js?v=1" ${this.attributes}></script>`;
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...this.headers });
    response.end(page.replace('<!-- consent mode -->', consentMode).replace('<!-- script -->', script));
  }

  async #collect(request, response, body) {
    const fault = typeof this.answer === 'function' ? this.answer(this.requests.length) : this.answer;
    if (this.delay) await wait(this.delay);
    if (fault === 'cut') return request.socket.destroy();
    const sent = JSON.parse(body);
    const answer = fault ? play(fault, request, response) : await this.#pass(request, response, body);
    if (!answer || sent.events?.every(({ session_id }) => this.#gone.has(session_id))) return;
    const rejected = answer.rejected ?? [];
    this.refusals.push(...rejected.map(({ index, reason, detail }) => ({ path: this.path, reason, detail, event: sent.events[index] })));
    this.requests.push({
      status: answer.status,
      type: request.headers['content-type'],
      size: body.length,
      at: Date.now(),
      body: sent,
      accepted: answer.status === 202 ? sent.events.filter((_, i) => !rejected.some(({ index }) => index === i)) : [],
      rejected,
    });
  }

  async #identify(request, response, body) {
    this.identityRequests.push(JSON.parse(body));
    const status = this.identityStatus;
    if (this.identityDelay) await wait(this.identityDelay);
    if (status) play({ status }, request, response);
    else await this.#pass(request, response, body);
  }

  /**
   * Have the collector answer, as it would without us. Resolves to its status and what it says, to nothing when there is
   * none to answer.
   */
  async #pass(request, response, body) {
    const port = this.isSmallest ? this.collector.smallest_port : this.collector.port;
    const answer = await askCollector(port, request, body).catch((error) => error);
    if (answer instanceof Error) {
      this.refusals.push({ path: request.url, reason: 'unreachable', detail: answer.message });
      return void request.socket.destroy();
    }
    const { connection, ...headers } = answer.headers; // between the two of us
    response.writeHead(answer.statusCode, headers).end(answer.body);
    const said = /json/.test(headers['content-type']) ? JSON.parse(answer.body) : {};
    if (answer.statusCode > 399) this.refusals.push({ path: request.url, reason: said.type ?? String(answer.statusCode), detail: said.detail });
    return { ...said, status: answer.statusCode };
  }
}

/** Ask the collector past the site; `headers` name the host that is meant. */
export async function askCollector(port, { method, url, headers }, body) {
  const answer = await new Promise((answered, failed) => {
    const asked = ask({ host: '127.0.0.1', port, method, path: url, headers: { ...headers, connection: 'close' } }, answered);
    asked.on('error', failed).end(body);
  });
  return Object.assign(answer, { body: await buffer(answer) });
}

/** Answer in the collector's place, as it would be read across origins. */
function play({ status, headers }, request, response) {
  response.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Access-Control-Allow-Origin': request.headers.origin || '*',
    'Access-Control-Expose-Headers': 'Retry-After',
    ...headers,
  });
  response.end(JSON.stringify({ type: 'about:blank', status }));
  return { status };
}
