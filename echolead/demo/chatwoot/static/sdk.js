/**
 * The widget of the demo Chatwoot: the same `window.chatwootSDK`, `window.$chatwoot` and window events as Chatwoot's,
 * with a bubble and a panel in a shadow root where Chatwoot has an iframe. Calls made before `chatwoot:ready` are lost,
 * as they are there; only the user given to `setUser` is remembered.
 */
(() => {
  'use strict';

  const YEAR_SECONDS = 365 * 24 * 3600;
  const POLL_MS = 2000;
  const USER_KEYS = ['avatar_url', 'email', 'name', 'phone_number'];

  const STYLE = `
    :host { all: initial; font: 15px/1.45 system-ui, sans-serif; color: #1f2d3d; }
    * { box-sizing: border-box; font: inherit; }
    .bubble { position: fixed; right: 20px; bottom: 20px; width: 60px; height: 60px; border: 0; border-radius: 50%;
      background: #1f93ff; color: #fff; cursor: pointer; box-shadow: 0 8px 24px rgba(0, 0, 0, .18); z-index: 2147483000; }
    .bubble:focus-visible, button:focus-visible, input:focus-visible, textarea:focus-visible { outline: 3px solid #8cc5ff; }
    .bubble svg { width: 26px; height: 26px; fill: currentColor; display: block; margin: auto; }
    .panel { position: fixed; right: 20px; bottom: 94px; width: min(360px, calc(100vw - 40px)); height: min(520px, calc(100vh - 120px));
      display: flex; flex-direction: column; background: #fff; border-radius: 16px; overflow: hidden;
      box-shadow: 0 12px 40px rgba(0, 0, 0, .2); z-index: 2147483000; }
    [hidden] { display: none !important; }
    header { background: #1f93ff; color: #fff; padding: 18px 20px; }
    header strong { font-weight: 650; font-size: 17px; display: block; }
    header span { opacity: .9; font-size: 13px; }
    main { flex: 1; overflow-y: auto; padding: 16px; display: flex; flex-direction: column; gap: 8px; background: #f6f8fb; }
    .said { max-width: 80%; padding: 8px 12px; border-radius: 14px; white-space: pre-wrap; overflow-wrap: anywhere; }
    .said.incoming { align-self: flex-end; background: #1f93ff; color: #fff; border-bottom-right-radius: 4px; }
    .said.outgoing { align-self: flex-start; background: #fff; border: 1px solid #e3e8ef; border-bottom-left-radius: 4px; }
    form { display: flex; flex-direction: column; gap: 8px; padding: 12px 16px; border-top: 1px solid #e3e8ef; }
    label { font-size: 13px; color: #51606f; display: flex; flex-direction: column; gap: 3px; }
    input, textarea { border: 1px solid #c9d3de; border-radius: 8px; padding: 8px 10px; width: 100%; background: #fff; color: inherit; }
    textarea { resize: none; height: 58px; }
    .go { border: 0; border-radius: 8px; background: #1f93ff; color: #fff; padding: 10px 14px; cursor: pointer; font-weight: 600; }
    .start { margin: auto 0; }
  `;

  const PANEL = `
    <button class="bubble" type="button" aria-label="Abrir o chat">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3C6.5 3 2 6.8 2 11.5c0 2.3 1.1 4.4 2.9 5.9L4 21l4.3-1.6c1.2.4 2.4.6 3.7.6 5.5 0 10-3.8 10-8.5S17.5 3 12 3z"/></svg>
    </button>
    <section class="panel" role="dialog" aria-label="Chat" hidden>
      <header><strong></strong><span>Respondemos em poucos minutos</span></header>
      <main aria-live="polite"><button class="go start" type="button">Iniciar conversa</button></main>
      <form hidden>
        <div class="prechat">
          <label>Nome<input name="name" autocomplete="name"></label>
          <label>E-mail<input name="email" type="email" autocomplete="email"></label>
        </div>
        <label>Mensagem<textarea name="message" required></textarea></label>
        <button class="go send" type="submit">Enviar</button>
      </form>
    </section>
  `;

  const readCookie = name =>
    document.cookie.split('; ').find(pair => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const writeCookie = (name, value, seconds = YEAR_SECONDS) => {
    document.cookie = `${name}=${value}; path=/; max-age=${seconds}; SameSite=Lax`;
  };
  const announce = (name, detail) =>
    window.dispatchEvent(new CustomEvent(name, detail === undefined ? {} : { detail }));

  function run({ baseUrl, websiteToken }) {
    if (window.$chatwoot) return;

    const userCookie = `cw_user_${websiteToken}`;
    const seen = new Set();
    let hasConversation = false;
    let pending = Promise.resolve();
    let panel;

    const call = (method, path, body) =>
      fetch(`${baseUrl}/api/v1/widget${path}?website_token=${encodeURIComponent(websiteToken)}`, {
        method,
        headers: { 'Content-Type': 'application/json', 'X-Auth-Token': readCookie('cw_conversation') },
        body: body === undefined ? undefined : JSON.stringify(body),
      });

    /** Run the calls of the page one after the other, as messages to Chatwoot's iframe are. */
    const send = (method, path, body) => {
      if (!window.$chatwoot.hasLoaded) return;
      pending = pending.then(() => call(method, path, body)).catch(() => {});
    };

    const sendUser = (identifier, user) => {
      pending = pending
        .then(() => call('PATCH', '/contact/set_user', { ...user, identifier }))
        .then(async answer => {
          if (!answer.ok) return;
          const { widget_auth_token: token, has_email: hasEmail } = await answer.json();
          writeCookie('cw_conversation', token);
          panel.hidePrechat(hasEmail);
        })
        .catch(() => announce('chatwoot:error', { message: 'set-user failed' }));
    };

    const show = message => {
      if (seen.has(message.id)) return;
      seen.add(message.id);
      panel.append(message);
      announce('chatwoot:on-message', message);
    };

    const refresh = async () => {
      const answer = await call('GET', '/messages');
      if (!answer.ok) return;
      const { payload } = await answer.json();
      if (payload.length > 0 && !hasConversation) {
        hasConversation = true;
        panel.openForm(true);
      }
      payload.forEach(show);
    };

    const say = async ({ name, email, content }) => {
      await pending;
      if (hasConversation) {
        show(await (await call('POST', '/messages', { message: { content } })).json());
        return;
      }
      const contact = Object.fromEntries(Object.entries({ name, email }).filter(([, value]) => value));
      const message = { content, referer_url: window.location.href, timestamp: new Date().toString() };
      const { messages } = await (await call('POST', '/conversations', { contact, message })).json();
      hasConversation = true;
      panel.openForm(true);
      messages.forEach(show);
    };

    const toggle = state => {
      const opens = state === undefined ? !window.$chatwoot.isOpen : state === 'open';
      if (opens === window.$chatwoot.isOpen || !panel) return;
      window.$chatwoot.isOpen = opens;
      panel.setOpen(opens);
      announce(opens ? 'chatwoot:opened' : 'chatwoot:closed');
      if (opens) refresh().catch(() => {});
    };

    const load = async () => {
      const answer = await call('POST', '/config', {});
      if (!answer.ok) throw new Error(`config answered ${answer.status}`);
      const { website_channel_config: channel, contact } = await answer.json();
      writeCookie('cw_conversation', channel.auth_token);
      panel ??= buildPanel({
        title: channel.website_name,
        onToggle: () => toggle(),
        onStart: () => announce('chatwoot:on-start-conversation', { hasConversation: false }),
        onSay: say,
      });
      panel.greet(channel.greeting);
      panel.hidePrechat(contact.has_email);
      window.$chatwoot.hasLoaded = true;
      if (window.$chatwoot.user) sendUser(window.$chatwoot.identifier, window.$chatwoot.user);
      announce('chatwoot:ready');
    };

    window.$chatwoot = {
      baseUrl,
      websiteToken,
      hasLoaded: false,
      isOpen: false,
      hideMessageBubble: false,
      position: 'right',
      type: 'standard',
      resetTriggered: false,
      toggle,
      setUser(identifier, user) {
        if (typeof identifier !== 'string' && typeof identifier !== 'number') {
          throw new Error('Identifier should be a string or a number');
        }
        if (!USER_KEYS.some(key => user?.[key])) {
          throw new Error('User object should have one of the keys [avatar_url, email, name]');
        }
        const fingerprint = encodeURIComponent(JSON.stringify([identifier, user]));
        if (readCookie(userCookie) === fingerprint) return;
        window.$chatwoot.identifier = identifier;
        window.$chatwoot.user = user;
        if (window.$chatwoot.hasLoaded) sendUser(identifier, user);
        writeCookie(userCookie, fingerprint);
      },
      setCustomAttributes(attributes = {}) {
        requireKeys(attributes);
        send('PATCH', '/contact', { custom_attributes: attributes });
      },
      deleteCustomAttribute(name = '') {
        if (!name) throw new Error('Custom attribute is required');
        send('POST', '/destroy_custom_attributes', { custom_attributes: [name] });
      },
      setConversationCustomAttributes(attributes = {}) {
        requireKeys(attributes);
        send('POST', '/conversations/set_custom_attributes', { custom_attributes: attributes });
      },
      setLabel(label = '') {
        send('POST', '/labels', { label });
      },
      removeLabel(label = '') {
        send('DELETE', `/labels/${encodeURIComponent(label)}`);
      },
      toggleBubbleVisibility(visibility) {
        window.$chatwoot.hideMessageBubble = visibility === 'hide';
        panel?.setBubble(visibility !== 'hide');
      },
      setLocale() {},
      setColorScheme() {},
      reset() {
        toggle('close');
        writeCookie('cw_conversation', '', 0);
        writeCookie(userCookie, '', 0);
        window.$chatwoot.user = undefined;
        window.$chatwoot.hasLoaded = false;
        window.$chatwoot.resetTriggered = true;
        hasConversation = false;
        seen.clear();
        panel?.clear();
        load().catch(fail);
      },
    };

    const fail = error => announce('chatwoot:error', { message: error.message });
    setInterval(() => {
      if (window.$chatwoot.isOpen && hasConversation) refresh().catch(() => {});
    }, POLL_MS);
    load().catch(fail);
  }

  function requireKeys(attributes) {
    if (!attributes || Object.keys(attributes).length === 0) {
      throw new Error('Custom attributes should have atleast one key');
    }
  }

  /** Bubble and panel in a shadow root; text only ever enters as text. */
  function buildPanel({ title, onToggle, onStart, onSay }) {
    const host = document.createElement('div');
    host.className = 'woot-widget-holder';
    const root = host.attachShadow({ mode: 'open' });
    const style = document.createElement('style');
    style.textContent = STYLE;
    const frame = document.createElement('div');
    frame.innerHTML = PANEL; // a constant of this file
    root.append(style, frame);
    document.body.append(host);

    const find = selector => root.querySelector(selector);
    const [bubble, panel, list, start, form, prechat] = [
      '.bubble', '.panel', 'main', '.start', 'form', '.prechat',
    ].map(find);
    find('header strong').textContent = title;

    const openForm = hasConversation => {
      start.hidden = true;
      form.hidden = false;
      if (hasConversation) prechat.hidden = true;
    };

    const append = ({ content, message_type: type }) => {
      const line = document.createElement('div');
      line.className = `said ${type === 0 ? 'incoming' : 'outgoing'}`;
      line.textContent = content;
      list.append(line);
      list.scrollTop = list.scrollHeight;
    };

    bubble.addEventListener('click', onToggle);
    start.addEventListener('click', () => {
      openForm(false);
      onStart();
      form.elements.message.focus();
    });
    form.addEventListener('submit', async event => {
      event.preventDefault();
      const { name, email, message } = form.elements;
      const content = message.value.trim();
      if (!content) return;
      message.value = '';
      try {
        await onSay({ name: name.value.trim(), email: email.value.trim(), content });
      } catch {
        message.value = content;
      }
    });

    return {
      append,
      openForm,
      greet(content) {
        if (!list.querySelector('.said')) append({ content, message_type: 1 });
        list.append(start);
      },
      hidePrechat(isKnown) {
        prechat.hidden = isKnown;
      },
      setOpen(isOpen) {
        panel.hidden = !isOpen;
        bubble.setAttribute('aria-label', isOpen ? 'Fechar o chat' : 'Abrir o chat');
      },
      setBubble(isShown) {
        bubble.hidden = !isShown;
      },
      clear() {
        list.replaceChildren(start);
        start.hidden = false;
        form.hidden = true;
        prechat.hidden = false;
      },
    };
  }

  window.chatwootSDK = { run };
})();
