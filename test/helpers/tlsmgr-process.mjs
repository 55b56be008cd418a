/** The service of `mxtls tlsmgr` with ticket keys that change often: SOCKET, KEYFILE, PERIOD. Runs on the built package. */
import { engineLogger } from '../../dist/log/logger.js';
import { TlsmgrService } from '../../dist/tlsmgr/service.js';

const [path, file, period] = process.argv.slice(2);
const cache = { database: '', timeout: 3600 };
await TlsmgrService.start({
  ...{ path, smtpd: cache, smtp: cache, wrappingKey: { file }, period: Number(period) },
  logger: engineLogger(undefined, 'tlsmgr'),
});
process.stdout.write(`listening ${path}\n`);
