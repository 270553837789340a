// The box, asked under its claim code; everything that is secret goes to its keeper sealed.
import {base64, unhex, utf8, wipe} from './bytes.js';
import {seal} from './seal.js';

// What went wrong, and what to do about it.
export class Refusal extends Error {
  constructor(text, advice = '') {
    super(text + (/[.!?]$/.test(text) ? ' ' : '. ') + advice);
  }
}

function refusalOf(status, error, wait) {
  if (status === 401)
    return new Refusal('The box does not accept this claim code', 'Read it on the console again; after ten wrong ones '
      + 'a minute it waits. Once a box is set up it has no claim code: use its admin token.');
  if (status === 429)
    return new Refusal(error.message, `Wait ${wait || 'some'} seconds.`);
  const place = error.file ? `${error.file}:${error.line}:${error.column}: ` : '';
  return new Refusal(place + error.message + (error.pointer ? ` (at ${error.pointer})` : ''));
}

export class Box {
  constructor(claim) {
    this.claim = claim;
  }

  async ask(method, path, body) {
    const headers = {Authorization: `Bearer ${this.claim}`};
    if (body !== undefined)
      headers['Content-Type'] = 'application/json';
    let r, said;
    try {
      r = await fetch(path, {method, headers, body: body === undefined ? undefined : JSON.stringify(body)});
      said = await r.json();
    } catch {
      throw new Refusal('The box gave no answer', 'Is it on, and is this its address still? Reload this page: it says '
        + 'whether the box is set up.');
    }
    if (!r.ok)
      throw refusalOf(r.status, said.error || {message: `The box answered ${r.status}`}, r.headers.get('Retry-After'));
    return said;
  }

  // As it is now: another start has another seal key.
  async describe() {
    const told = await this.ask('GET', '/admin/v1/setup');
    if (told.state === 'sealed')
      throw new Refusal('This box has a vault already, and it is closed', 'lethectl vault unlock opens it. When a '
        + 'set-up had broken off, set it up again then; to begin anew, choose factory reset on its console.');
    if (told.state === 'open' && told.configured)
      throw new Refusal('This box has been set up already', 'Work with its admin token: lethectl status, config push, '
        + 'cert import, vault put. To begin anew, choose factory reset on its console; that forgets everything.');
    this.told = told;
    this.sealKey = unhex(told.seal_key);
  }

  async prove() {
    await this.ask('GET', '/admin/v1/status');
  }

  sealed(plain) {
    return seal(this.sealKey, plain);
  }

  async postSealed(path, plain) {
    const sealed = base64(await this.sealed(plain));
    wipe(plain);
    return this.ask('POST', path, {sealed});
  }

  // A configuration of texts; a private key's name tells that it goes sealed.
  async putConfig(texts, opens) {
    const files = {};
    for (const [name, text] of Object.entries(texts))
      files[name] = name.endsWith('.key') ? {sealed: base64(await this.sealed(utf8(text)))} : {text};
    return this.ask('PUT', '/admin/v1/config', {files, opens});
  }
}
