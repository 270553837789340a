// What is sent, from the answers: the same as src/prog/lethectl_setup_compose.c makes of the same answers.
import {join, utf8} from './bytes.js';
import {vendorHost} from './names.js';

export const wantsRoots = answers => answers.baseUrl.startsWith('https://');

function upstream(answers) {
  const out = {name: answers.vendor, vendor: answers.vendor, base_url: answers.baseUrl};
  if (wantsRoots(answers))
    out.ca = 'public.pem';
  else
    out.plain_http = true;
  if (answers.vendorKeyWanted)
    out.credential = answers.vendor;
  for (const key of ['addresses', 'local', 'residency'])
    if (answers[key].length > 0)
      out[key] = answers[key];
  return out;
}

// `made`: {clientKeyId, clientKeyHash, tokenHash}; `adminHost`: by which the operator reached the box.
export function lethe(answers, made, adminHost) {
  const listed = answers.hosts.some(host => host.toLowerCase() === adminHost.toLowerCase());
  return JSON.stringify({
    lethe: 'config/1',
    hosts: listed ? answers.hosts : [...answers.hosts, adminHost],
    upstreams: [upstream(answers)],
    models: [{name: answers.model, targets: [{upstream: answers.vendor, model: answers.target}]}],
    keys: [{id: made.clientKeyId, hash: made.clientKeyHash, project: answers.project, models: ['*']}],
    admin: [{name: 'admin', hash: made.tokenHash}],
  }) + '\n';
}

// keeper_credential of src/ipc/keeper.h.
export function credential(answers, secret) {
  const field = (bytes, length) => join(bytes, new Uint8Array(length - bytes.length));
  const key = utf8(secret), length = new Uint8Array(new Uint32Array([key.length]).buffer);
  return join(field(utf8(answers.vendor), 32), field(utf8(vendorHost(answers.baseUrl)), 256), length, field(key, 512));
}

export function baseUrl(answers) {
  const host = answers.hosts[0];
  return `https://${host.includes(':') ? `[${host}]` : host}:${answers.port}/v1`;
}

export function lineToTry(answers, key) {
  const body = JSON.stringify({model: answers.model, messages: [{role: 'user', content: 'hello'}]});
  return `curl --cacert ca.crt ${baseUrl(answers)}/chat/completions -H 'Authorization: Bearer ${key}'`
    + ` -H 'Content-Type: application/json' -d '${body}'`;
}
