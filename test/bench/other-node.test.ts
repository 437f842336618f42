import { otherNode } from '../../bench/cases/other-node.js';
import { majorOf, majorVersionOf } from '../../bench/harness/other-node.js';
import test from '../helpers/sanitary.js';

const CONTEXT = { rounds: 1, rustProgram: undefined, against: undefined, filters: [], progress: () => {} };

test('a Node tells its major version', async (t) => {
  t.is(await majorVersionOf(process.execPath), majorOf(process.version));
});

test('a program that is no Node is refused by its path', async (t) => {
  await t.throwsAsync(majorVersionOf('/nowhere/node'), { message: /--node must .* got \/nowhere\/node/ });
});

test('without another Node the case says that it was not measured', async (t) => {
  const { tables, notes } = await otherNode.run({ ...CONTEXT, node: undefined });
  t.deepEqual(tables, []);
  t.regex(notes.join(), /NOT MEASURED/);
});
