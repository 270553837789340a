// The official Node SDK against a running relay. Started by openai_node.py, which says in LETHE_FACTS where all is.
import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const OpenAI = createRequire(process.env.LETHE_SDK + '/')('openai');
const facts = JSON.parse(process.env.LETHE_FACTS);
const { email: EMAIL, tools: TOOLS, keys } = facts;
const PROMPT = `Please write to ${EMAIL}, twice: "${EMAIL}".`;

let run = 0;
let bad = 0;

async function test(sentence, body) {
  run++;
  try {
    await body();
    console.log(`ok ${run} - openai node: ${sentence}`);
  } catch (error) {
    bad++;
    console.log(`not ok ${run} - openai node: ${sentence}`);
    for (const row of String(error?.stack ?? error).split('\n')) console.log('#', row);
  }
}

const client = (key = keys.test) => new OpenAI({ baseURL: facts.baseURL, apiKey: key, maxRetries: 0, timeout: 30000 });
const user = (content) => [{ role: 'user', content }];
const c = client();

function jsonLines(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').slice(0, -1).map((row) => JSON.parse(row));
}

const mark = { record: 0, ledger: 0 };
function forget() {
  for (const name of Object.keys(mark)) mark[name] = jsonLines(facts[name]).length;
}
const since = (name) => jsonLines(facts[name]).slice(mark[name]);

async function eventually(probe, seconds = 5) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) {
    const got = probe();
    if (got) return got;
  }
  throw new Error(`not within ${seconds} s`);
}

async function textOf(stream) {
  let text = '';
  for await (const event of await stream) text += event.choices[0]?.delta?.content ?? '';
  return text;
}

async function failure(promise, kind, more = {}) {
  const error = await promise.then(() => assert.fail('no error came'), (e) => e);
  assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error}`);
  for (const [name, want] of Object.entries(more)) assert.equal(error[name], want, String(error));
  return error;
}

const ask = (model, content = 'Hello.', key = keys.test) => client(key).chat.completions.create({ model, messages: user(content) });
const stream = (model, content = 'Hello.', more = {}) =>
  c.chat.completions.create({ model, messages: user(content), stream: true, ...more });

// Chat and streams.
await test('a plain chat is answered', async () => {
  const got = await ask('chat', 'Good morning.');
  assert.equal(got.choices[0].message.content, 'You said: Good morning.');
  assert.equal(got.choices[0].finish_reason, 'stop');
});
await test('a stream is answered', async () => {
  assert.equal(await textOf(stream('chat', 'Good morning.')), 'You said: Good morning.');
});
await test('the stream helper of the SDK accepts it', async () => {
  const helper = c.chat.completions.stream({ model: 'chat', messages: user('Good morning.') });
  assert.equal(await helper.finalContent(), 'You said: Good morning.');
});
await test('usage is hidden from a caller who did not ask', async () => {
  for await (const event of await stream('chat')) {
    assert.ok(!('usage' in event));
    assert.equal(event.choices.length, 1);
  }
});
await test('usage is there for a caller who asked', async () => {
  forget();
  let usage = null;
  for await (const event of await stream('chat', 'Count.', { stream_options: { include_usage: true } })) usage = event.usage ?? usage;
  const [row] = await eventually(() => since('ledger').length > 0 && since('ledger'));
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [row.prompt_tokens, row.completion_tokens]);
});

// What must not leave, and what comes back.
await test('an e-mail address is replaced before it leaves and put back, plain and streamed', async () => {
  forget();
  assert.equal((await ask('chat', PROMPT)).choices[0].message.content, `You said: ${PROMPT}`);
  assert.equal(await textOf(stream('chat', PROMPT)), `You said: ${PROMPT}`);
  assert.equal(await textOf(stream('escaped', PROMPT)), `You said: ${PROMPT}`);
  const seen = JSON.stringify(since('record'));
  assert.ok(!seen.includes(EMAIL));
  assert.match(seen, /EMAILx[0-9A-HJKMNP-TV-Z]{8}/);
});
await test('a private key is refused, naming what it is and not what it says', async () => {
  forget();
  const error = await failure(ask('chat', `Use this: ${facts.pem}`), OpenAI.UnprocessableEntityError, { code: 'pii_blocked' });
  assert.match(String(error), /PRIVATE_KEY/);
  assert.ok(!String(error).includes('MIIE'));
  assert.equal(since('record').length, 0);
});
await test('the vendor sees its own key and no header that tells the caller', async () => {
  forget();
  await ask('chat');
  const head = since('record').at(-1).head.toLowerCase();
  assert.ok(head.includes(`authorization: bearer ${facts.vendorKey}`));
  for (const word of [keys.test.toLowerCase(), 'stainless', 'openai/js', 'sec-fetch']) assert.ok(!head.includes(word), word);
});

// Tools.
const TOOL_WORDS = `call the tools for "${EMAIL}"`;
await test('tool calls are answered', async () => {
  const got = await c.chat.completions.create({ model: 'chat', messages: user(TOOL_WORDS), tools: TOOLS });
  const calls = got.choices[0].message.tool_calls;
  assert.deepEqual(calls.map((x) => x.function.name), ['lookup', 'second']);
  for (const x of calls) assert.equal(JSON.parse(x.function.arguments).text, TOOL_WORDS);
});
await test('and streamed through the helper', async () => {
  const helper = c.chat.completions.stream({ model: 'chat', messages: user(TOOL_WORDS), tools: TOOLS });
  const calls = (await helper.finalMessage()).tool_calls;
  assert.deepEqual(calls.map((x) => x.function.name), ['lookup', 'second']);
  for (const x of calls) assert.equal(JSON.parse(x.function.arguments).text, TOOL_WORDS);
});
await test('the SDK runs tools by itself, there and back', async () => {
  let heard;
  const run_ = c.chat.completions.runTools({
    model: 'chat',
    messages: user(`call the tool for ${EMAIL}`),
    tools: [{
      type: 'function',
      function: {
        name: 'lookup', description: 'A tool.', parse: JSON.parse, parameters: TOOLS[0].function.parameters,
        function: ({ text }) => { heard = text; return `${EMAIL} is known`; },
      },
    }],
  });
  assert.equal(await run_.finalContent(), `The tool said: ${EMAIL} is known`);
  assert.equal(heard, `call the tool for ${EMAIL}`);
});

// Embeddings and models.
await test('embeddings come as floats, and the same in base64', async () => {
  const floats = await c.embeddings.create({ model: 'embed', input: 'A sentence.', encoding_format: 'float' });
  const packed = await c.embeddings.create({ model: 'embed', input: 'A sentence.' });
  assert.deepEqual(packed.data[0].embedding, floats.data[0].embedding);
  assert.equal(floats.data[0].embedding.length, 8);
});
await test('the list of models is that of the configuration', async () => {
  const got = [];
  for await (const model of c.models.list()) got.push(model.id);
  assert.deepEqual(got.sort(), facts.models);
});

// Refusals.
await test('a wrong key is 401, a narrow one 403, an unknown model 404, a large body 413', async () => {
  await failure(ask('chat', 'Hello.', 'sk-somebody-elses'), OpenAI.AuthenticationError);
  await failure(ask('chat', 'Hello.', keys.expired), OpenAI.AuthenticationError);
  await failure(ask('chat', 'Hello.', keys.narrow), OpenAI.PermissionDeniedError);
  await failure(ask('nobody'), OpenAI.NotFoundError, { code: 'model_not_found' });
  await failure(ask('chat', 'x'.repeat(facts.bodyBytes + 1000)), OpenAI.APIError, { status: 413 });
});
await test('a fault of the caller\'s own making keeps the vendor\'s code', async () => {
  await failure(ask('too_long'), OpenAI.BadRequestError, { code: 'context_length_exceeded' });
});
await test('a vendor\'s failure is told in our words', async () => {
  const error = await failure(ask('failing'), OpenAI.InternalServerError);
  assert.ok(!String(error).includes('asked for this error'));
});

// Streams that end badly, and callers who leave.
for (const model of ['cut', 'error_event', 'no_finish']) {
  await test(`a stream that ends badly is an error (${model})`, async () => {
    await failure(textOf(stream(model)), OpenAI.APIError);
  });
}
await test('one without [DONE] is whole by its finish and the end of its message', async () => {
  assert.equal(await textOf(stream('no_done')), 'You said: Hello.');
});
await test('a caller who leaves mid-stream stops the vendor', async () => {
  forget();
  let seen = 0;
  for await (const event of await stream('paced')) if (event && ++seen >= 5) break;
  const [row] = await eventually(() => since('ledger').length > 0 && since('ledger'));
  assert.deepEqual([row.cut_by, row.complete], ['peer', false]);
});

// Transcripts of what vendors send.
async function transcript(model, expected) {
  const got = { text: '', refusal: '', calls: [], usage: null, error: false };
  try {
    for await (const event of await stream(model, 'Hello.', { stream_options: { include_usage: true } })) {
      got.usage = event.usage ?? got.usage;
      for (const { delta } of event.choices) {
        got.text += delta.content ?? '';
        got.refusal += delta.refusal ?? '';
        for (const x of delta.tool_calls ?? []) {
          got.calls[x.index] ??= [x.id, x.function.name, ''];
          got.calls[x.index][2] += x.function.arguments ?? '';
        }
      }
    }
  } catch (error) {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    got.error = true;
  }
  assert.deepEqual([got.text, got.refusal, got.calls, got.error],
    [expected.text, expected.refusal ?? '', expected.calls ?? [], expected.error ?? false]);
  if (expected.usage) assert.deepEqual([got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens], expected.usage);
}
for (const [name, expected] of Object.entries(facts.streams)) {
  await test(`stream '${name}' at once and in pieces`, async () => {
    await transcript(`t_${name}`, expected);
    await transcript(`c_${name}`, expected);
  });
}

console.log(`1..${run}`);
process.exit(bad === 0 ? 0 : 1);
