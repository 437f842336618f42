import test from '../helpers/sanitary.js';
import { BrokerPoolError } from '../../src/errors.js';
import { declareConsumerProtocol, formatProtocol, PayloadProtocol } from '../../src/wire/envelope.js';

test('the registered payload protocols have their frozen numbers (W-60, W-62)', (t) => {
  t.deepEqual(PayloadProtocol, {
    CONTROL: 0x0000,
    ADMIN: 0xad01,
    IDENTITY_PROBE: 0xb232,
    HANDOFF: 0xd0ff,
    SESSION: 0x5350,
    ZCCACHE: 0x7a63,
    CLUD: 0x7c4c,
    FBUILD: 0x7eb1,
  });
});

test('a consumer may declare ids of the consumer and of the private range, both ends included (W-62, W-63)', (t) => {
  for (const id of [0x7000, 0x7a63, 0x7eff, 0xf000, 0xffff]) t.is(declareConsumerProtocol(id), id);
});

test('a consumer may not declare an id that the broker protocol uses (W-63)', (t) => {
  for (const id of [0x0000, 0xad01, 0xb232, 0xd0ff]) {
    const message = `payloadProtocol ${formatProtocol(id)} belongs to the broker protocol`;
    t.throws(() => declareConsumerProtocol(id), {
      instanceOf: BrokerPoolError,
      code: 'INVALID_ARGUMENT',
      message,
    });
  }
});

test('a consumer may not declare an id outside its ranges (W-62, W-63)', (t) => {
  const message = /lies outside the consumer range/;
  for (const id of [1, 0x5350, 0x6fff, 0x7f00, 0xefff, 0x1_0000, -1, 0x7000 + 0.5, Number.NaN]) {
    t.throws(() => declareConsumerProtocol(id), { code: 'INVALID_ARGUMENT', message });
  }
});

test('ids are written with at least four digits, in capitals (E-15)', (t) => {
  t.is(formatProtocol(0), '0x0000');
  t.is(formatProtocol(0xad01), '0xAD01');
  t.is(formatProtocol(0x1_0000), '0x10000');
});
