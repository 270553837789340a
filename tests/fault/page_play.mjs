// A set-up as the page does it, without a browser: page_play.mjs ORIGIN, the answers as JSON on standard input. Prints what
// was made, or {"refused": why}. The worker's work is done in place; whose certificate it is, is not asked.
import {readFileSync} from 'node:fs';

const folder = new URL('../../src/admin/page/', import.meta.url);
const {argon2id} = await import(new URL('argon2.js', folder));
const {Box} = await import(new URL('box.js', folder));
const {setUp} = await import(new URL('steps.js', folder));

const [origin] = process.argv.slice(2);
const {answers, claim, passphrase, vendorKey, roots} = JSON.parse(readFileSync(0, 'utf8'));
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
const real = globalThis.fetch;
globalThis.fetch = (path, more) => real(origin + path, more);
globalThis.Worker = class {
  postMessage({passphrase, salt, passes, memoryBytes}) {
    const key = argon2id(passphrase, salt, passes, memoryBytes);
    setTimeout(() => this.onmessage({data: {key}}));
  }

  terminate() {}
};

const kept = {}, steps = [];
const page = {step: text => steps.push(text), done() {}, stretched() {}, save: async () => {}};
const takeSecrets = () => ({passphrase: new TextEncoder().encode(passphrase), vendorKey});
try {
  const made = await setUp({answers, roots, box: new Box(claim), adminHost: '127.0.0.1', kept, page, takeSecrets});
  const {ca, admin} = made.certificates;
  console.log(JSON.stringify({steps, key: made.clientKey.text, token: made.token.text, lethe: made.lethe,
    ca: ca.certificate, fingerprint: admin.fingerprint, keyFile: Buffer.from(kept.keyFile || []).toString('hex')}));
} catch (e) {
  console.log(JSON.stringify({steps, refused: e.message}));
}
