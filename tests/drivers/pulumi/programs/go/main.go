// The stack contract in Go, with lab objects: `rolled_fleet.py` without its jobs.
package main

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

type entry = map[string]any

type fleet struct {
	Nodes     map[string]entry
	Scheduler entry
}

type thing struct {
	pulumi.CustomResourceState
}

func main() {
	pulumi.Run(run)
}

func run(ctx *pulumi.Context) error {
	var wanted fleet
	asked := config.New(ctx, "fleet")
	asked.RequireObject("nodes", &wanted.Nodes)
	asked.RequireObject("scheduler", &wanted.Scheduler)
	if config.New(ctx, "").Get("entangled") != "" {
		if _, err := written(ctx, "entangled", "value", wanted.Nodes); err != nil {
			return err
		}
	}
	nodes := pulumi.Map{}
	for name, item := range wanted.Nodes {
		given, err := node(ctx, name, item)
		if err != nil {
			return err
		}
		nodes[name] = given
	}
	scheduler, err := written(ctx, "scheduler", "value", wanted.Scheduler)
	if err != nil {
		return err
	}
	ctx.Export("fleet", pulumi.Map{
		"contract": pulumi.Int(1),
		"reads":    pulumi.ToStringArray([]string{"nodes", "scheduler"}),
		"nodes":    nodes,
		"scheduler": pulumi.Map{
			"resources": pulumi.Array{scheduler.URN()},
			"runs":      pulumi.Any(wanted.Scheduler),
		},
	})
	return nil
}

func node(ctx *pulumi.Context, name string, item entry) (pulumi.Input, error) {
	what := entry{}
	for key, value := range item {
		if key != "attached" {
			what[key] = value
		}
	}
	attached := item["attached"] != false
	server, err := written(ctx, "node-"+name, "key", what)
	if err != nil {
		return nil, err
	}
	front, err := registered(ctx, "front-"+name, pulumi.Map{"value": pulumi.Bool(attached)})
	if err != nil {
		return nil, err
	}
	return pulumi.Map{
		"resources":  pulumi.Array{server.URN()},
		"membership": pulumi.Array{front.URN()},
		"runs":       pulumi.Any(item),
	}, nil
}

// written registers an object with one input, which holds a JSON text.
func written(ctx *pulumi.Context, name, input string, value any) (*thing, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return registered(ctx, name, pulumi.Map{input: pulumi.String(text)})
}

func registered(ctx *pulumi.Context, name string, inputs pulumi.Map) (*thing, error) {
	made := &thing{}
	err := ctx.RegisterResource("lab:index:Thing", name, inputs, made,
		pulumi.Version("1.0.0"), pulumi.DeleteBeforeReplace(true))
	return made, err
}
