export { publishPools, type PublishedPools, type PublishOptions } from './publish-pools.js';
