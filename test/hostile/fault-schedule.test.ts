/**
 * Each run with a fault ends with a working connection or a clear error within its deadline, and leaves no
 * descriptor (G-01, G-02, G-07).
 */
import { loadNative } from '../../src/os/native.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import { runSchedule, schedules } from './fault-schedule.js';

const native = process.platform === 'linux' ? loadNative() : undefined;

if (native === undefined) testWhere(false, 'Linux and the C library')('the schedule of faults', () => {});
else {
  for (const schedule of schedules(native)) {
    test.serial(schedule.title, async (t) => {
      const records = await runSchedule(schedule, await startSystem(t));
      t.is(
        records.reduce((sum, { injected }) => sum + injected, 0),
        schedule.faults.length,
      );
    });
  }
}
