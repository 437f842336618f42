import '../backend/frames.test.js';
import '../backend/handoff.test.js';
import '../backend/hostile.test.js';
import '../backend/identity.test.js';
import '../backend/own-bytes.test.js';
import '../identity/probe.test.js';
import '../identity/read-identity.test.js';
import '../pool/connecting/identity-file.test.js';
