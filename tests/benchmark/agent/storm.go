//go:build linux

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stormers is how many processes start programs; each starts one at a time.
const stormers = 3

// exits is the code of a program that ends at once. A program of libc or Go takes longer
// to get ready than this machine has time for thousands of them.
var exits = map[string]struct {
	machine elf.Machine
	code    []byte
}{
	"amd64": {elf.EM_X86_64, []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}},                   // exit(0)
	"arm64": {elf.EM_AARCH64, []byte{0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 0x01, 0, 0, 0xd4}}, // exit(0)
}

// smallest writes the smallest program of this machine.
func smallest(path string) error {
	exit, ok := exits[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("there is no smallest program for %s", runtime.GOARCH)
	}
	const base = 0x400000
	head := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(exit.machine), Version: uint32(elf.EV_CURRENT),
		Ehsize: uint16(binary.Size(elf.Header64{})), Phentsize: uint16(binary.Size(elf.Prog64{})), Phnum: 1,
	}
	copy(head.Ident[:], elf.ELFMAG)
	head.Ident[elf.EI_CLASS], head.Ident[elf.EI_DATA], head.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	head.Phoff = uint64(head.Ehsize)
	codeAt := head.Phoff + uint64(head.Phentsize)
	head.Entry = base + codeAt
	size := codeAt + uint64(len(exit.code))
	segment := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000}
	var program bytes.Buffer
	for _, part := range []any{head, segment, exit.code} {
		if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return os.WriteFile(path, program.Bytes(), 0o700)
}

// startStorm begins a storm that lasts for a time. end returns how many programs were
// started, or names given.
func (o *options) startStorm(ctx context.Context, dir string, lasts time.Duration) (end func() (int, error), err error) {
	path := "" // Names.
	if !o.names {
		path = filepath.Join(dir, "smallest")
		if err := smallest(path); err != nil {
			return nil, err
		}
	}
	outputs := make([]bytes.Buffer, stormers)
	cmds := make([]*exec.Cmd, stormers)
	for i := range cmds {
		cmd := exec.CommandContext(ctx, "/proc/self/exe", path, strconv.Itoa(o.rate/stormers), lasts.String())
		cmd.Env = append(os.Environ(), role+"=storm")
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &outputs[i], os.Stderr, withParent()
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		cmds[i] = cmd
	}
	return func() (int, error) {
		all := 0
		for i, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				return 0, err
			}
			n, err := strconv.Atoi(strings.TrimSpace(outputs[i].String()))
			if err != nil {
				return 0, err
			}
			all += n
		}
		return all, nil
	}, nil
}

// ofStorm is what a storm is of, for people.
func (o *options) ofStorm() string {
	if o.names {
		return "names"
	}
	return "programs"
}

// stormForParent starts the program at a rate per second for a time, or without a program
// changes its own name, and prints how often it did. What it could not do in time it makes
// up for.
func stormForParent(ctx context.Context) error {
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	lasts, err := time.ParseDuration(os.Args[3])
	if err != nil {
		return err
	}
	happen := rename
	if path := os.Args[1]; path != "" {
		happen = func() error { return startAndAwait(path) }
	}
	begin, n := time.Now(), 0
	for ctx.Err() == nil && time.Since(begin) < lasts {
		if float64(n) >= time.Since(begin).Seconds()*float64(rate) {
			pause(ctx, 2*time.Millisecond)
			continue
		}
		if err := happen(); err != nil {
			return err
		}
		n++
	}
	fmt.Fprintln(os.Stdout, n)
	return nil
}

func startAndAwait(path string) error {
	pid, err := syscall.ForkExec(path, []string{path}, nil)
	if err != nil {
		return err
	}
	_, err = syscall.Wait4(pid, nil, 0, nil)
	return err
}

// rename gives this process a name. The kernel tells of that as it does of a program, and
// the agent looks at the process in the same way.
func rename() error { return os.WriteFile("/proc/self/comm", []byte("storm"), 0) }
