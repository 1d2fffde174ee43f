"use strict";
// The stack contract in JavaScript, with lab objects: `rolled_fleet.py` without its jobs.
const pulumi = require("@pulumi/pulumi");

const own = new pulumi.Config();
const asked = new pulumi.Config("fleet");
const nodes = asked.requireObject("nodes");
const scheduler = asked.requireObject("scheduler");

// One text however its parts are ordered.
function text(value) {
  const ordered = (_, it) => (it?.constructor === Object ? Object.fromEntries(Object.entries(it).sort()) : it);
  return JSON.stringify(value, ordered);
}

function thing(name, inputs) {
  const options = { version: "1.0.0", deleteBeforeReplace: true };
  return new pulumi.CustomResource("lab:index:Thing", name, inputs, options);
}

function node(name, entry) {
  const { attached = true, ...what } = entry;
  const server = thing(`node-${name}`, { key: text(what) });
  const front = thing(`front-${name}`, { value: attached });
  return {
    resources: [server.urn],
    membership: [front.urn],
    runs: { ...what, attached },
  };
}

if (own.get("entangled")) {
  thing("entangled", { value: text(nodes) });
}

exports.fleet = {
  contract: 1,
  reads: ["nodes", "scheduler"],
  nodes: Object.fromEntries(Object.entries(nodes).map(([name, entry]) => [name, node(name, entry)])),
  scheduler: {
    resources: [thing("scheduler", { value: text(scheduler) }).urn],
    runs: scheduler,
  },
};
