package node_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/finos/five-spot/tests/testenv"
)

// wardenVariable makes this test program the warden of a folder.
const wardenVariable = "FIVE_SPOT_NODE_WARDEN"

// bridgeName is the network device of the node's Pods.
const bridgeName = "five-spot0"

// warden is a process that runs the node's programs and cleans up after them when this
// process ends, in whichever way. It and they have their own view of the file system, in
// which everything outside of the folder that they write stays.
type warden struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Scanner
}

// order is a program to start, or to end all of them.
type order struct {
	End  bool
	Path string
	Args []string
	Env  []string
	Log  string
}

// startWarden returns when the network for Pods is there.
func startWarden(folder string) (*warden, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("failed to find the warden: %w", err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), wardenVariable+"="+folder)
	cmd.Stderr = os.Stderr
	// Neither a Ctrl-C nor anything else that is meant for us ends it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Unshareflags: syscall.CLONE_NEWNS}
	w := &warden{cmd: cmd}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("failed to start the warden: %w", err)
	}
	w.answers = bufio.NewScanner(answers)
	if w.orders, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("failed to start the warden: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("failed to start the warden: %w", err)
	}
	if err := w.answer(); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// tell has an order carried out.
func (w *warden) tell(o order) error {
	if err := json.NewEncoder(w.orders).Encode(o); err != nil {
		return fmt.Errorf("failed to reach the warden: %w", err)
	}
	return w.answer()
}

func (w *warden) answer() error {
	if !w.answers.Scan() {
		return fmt.Errorf("the warden has ended: %w", errors.Join(io.ErrUnexpectedEOF, w.answers.Err()))
	}
	if text, err := strconv.Unquote(w.answers.Text()); err != nil || text != "" {
		return errors.Join(errors.New(text), err)
	}
	return nil
}

// stop ends the node. It fails when something could not be cleaned up.
func (w *warden) stop() error {
	if err := errors.Join(w.orders.Close(), w.cmd.Wait()); err != nil {
		return fmt.Errorf("failed to clean up after the node: %w", err)
	}
	return nil
}

// beWarden is the warden's process. It takes orders until there are no more of them, and
// then cleans up.
func beWarden(folder string) int {
	// Ignoring signals would be passed on to the containers.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	c := &cleaner{folder: folder}
	err := c.remember()
	if err == nil {
		err = c.prepare()
	}
	answer(err)
	orders := bufio.NewScanner(os.Stdin)
	for err == nil && orders.Scan() {
		answer(c.obey(orders.Bytes()))
	}
	if err := c.clean(); err != nil {
		fmt.Fprintln(os.Stderr, "failed to clean up after the node:", err)
		return 1
	}
	return 0
}

// answer writes a line, which is empty if all is well.
func answer(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	fmt.Fprintf(os.Stdout, "%q\n", text)
}

func (c *cleaner) obey(line []byte) error {
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("failed to read an order: %w", err)
	}
	if o.End {
		return c.end()
	}
	log, err := os.Create(o.Log)
	if err != nil {
		return fmt.Errorf("failed to create a log: %w", err)
	}
	_, err = testenv.StartProcess(log, o.Path, o.Args, o.Env)
	return err
}

// prepare makes a network for Pods, and /run and /var what they are, but private.
func (c *cleaner) prepare() error {
	// There is one device of this name, so that there is one node, too.
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}); err != nil {
		return fmt.Errorf("failed to add network device %s, which another run of this suite may have: %w", bridgeName, err)
	}
	c.alone, c.tunables = true, readTunables()
	if err := connect(); err != nil {
		return err
	}
	private := filepath.Join(c.folder, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		return fmt.Errorf("failed to create a folder: %w", err)
	}
	if err := unix.Mount("private", private, "tmpfs", 0, "size=64m"); err != nil {
		return fmt.Errorf("failed to mount a file system in memory: %w", err)
	}
	for _, shadowed := range []string{"run", "var"} {
		upper, work := filepath.Join(private, shadowed), filepath.Join(private, shadowed+"-work")
		if err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
			return fmt.Errorf("failed to create a folder: %w", err)
		}
		options := "lowerdir=/" + shadowed + ",upperdir=" + upper + ",workdir=" + work
		if err := unix.Mount("private", "/"+shadowed, "overlay", 0, options); err != nil {
			return fmt.Errorf("failed to make /%s private: %w", shadowed, err)
		}
	}
	return nil
}

// connect gives the network device the address at which the API server listens.
func connect() error {
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("failed to find network device %s: %w", bridgeName, err)
	}
	address, err := netlink.ParseAddr(apiAndMask)
	if err != nil {
		return fmt.Errorf("failed to parse the address of the API server: %w", err)
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return fmt.Errorf("failed to add the address of the API server: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("failed to start network device %s: %w", bridgeName, err)
	}
	return nil
}

// patience is how long something may take to go away after what held it.
const patience = 20 * time.Second
