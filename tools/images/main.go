// Command images makes the project's images without a container engine, and what goes
// with them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/finos/five-spot/tools/images/oci"
	"github.com/finos/five-spot/tools/images/program"
)

const usage = `images rootfs   builds the programs for one platform, with the licences of all that is in them
images layout   makes the images of the Dockerfile for several platforms, each in an OCI layout
images sbom     writes what is in each program, as SPDX and as CycloneDX
images push     sends a layout to a registry and prints the reference with the digest`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("a command is missing:\n%s", usage)
	}
	commands := map[string]func(context.Context, *options, io.Writer) error{
		"rootfs": rootfs, "layout": layouts, "sbom": sbom, "push": push,
	}
	command, found := commands[args[0]]
	if !found {
		return fmt.Errorf("%s is no command:\n%s", args[0], usage)
	}
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	return command(ctx, opts, out)
}

// options are the flags of all commands.
type options struct {
	root, version, revision, output, reference string
	platforms                                  []program.Platform
}

func parseOptions(args []string) (*options, error) {
	opts, platforms := &options{}, ""
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&opts.root, "root", ".", "the project's folder")
	flags.StringVar(&opts.version, "version", "", "the version, without a v")
	flags.StringVar(&opts.revision, "revision", "unknown", "the commit that is built")
	flags.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "the platforms, separated by commas")
	flags.StringVar(&opts.output, "output", "", "the folder to write to, or to push from")
	flags.StringVar(&opts.reference, "reference", "", "where to push to, such as registry.example.com/five-spot:v0.1.0")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, fmt.Errorf("failed to read the flags: %w", err)
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if opts.output == "" {
		return nil, errors.New("-output is missing")
	}
	if args[0] != "push" && (opts.version == "" || strings.HasPrefix(opts.version, "v")) {
		return nil, fmt.Errorf("-version %q: must be a version without a v", opts.version)
	}
	var err error
	opts.platforms, err = program.ParsePlatforms(platforms)
	return opts, err
}

func push(ctx context.Context, opts *options, out io.Writer) error {
	pushed, err := oci.Push(ctx, opts.output, opts.reference)
	if err == nil {
		fmt.Fprintln(out, pushed)
	}
	return err
}
