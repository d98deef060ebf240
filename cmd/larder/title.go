package main

import (
	"strconv"
	"strings"

	"go.uber.org/zap"

	"larder/server/config"
)

// followTitle gives the process the title that proc-title-template says: what ps shows in place of the words that it was
// started with. program is the first of those. On systems that cannot do it the words stay.
func followTitle(conf *config.Store, program string, logger *zap.Logger) {
	if !conf.SetProcTitle.Get() {
		return
	}
	conf.OnChange(func() error {
		if err := setTitle(processTitle(conf, program)); err != nil {
			logger.Debug("The process keeps its title", zap.Error(err))
		}
		return nil
	}, "proc-title-template")
	if err := setTitle(processTitle(conf, program)); err != nil {
		logger.Debug("The process keeps its title", zap.Error(err))
	}
}

// processTitle is the title as it should be now.
func processTitle(conf *config.Store, program string) string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	title, _ := config.ExpandTitle(conf.ProcTitleTemplate.Get(), func(name string) (string, bool) {
		switch name {
		case "title":
			return program, true
		case "listen-addr":
			host, port := "*", conf.Port.Get()
			if b := conf.Bind.Get(); len(b) > 0 {
				host = strings.TrimPrefix(b[0], "-")
			}
			if port == 0 {
				port = conf.TLSPort.Get()
			}
			if port == 0 {
				return "unixsocket:" + conf.UnixSocket.Get(), true
			}
			return host + ":" + number(port), true
		case "config-file":
			if conf.File() == "" {
				return "-", true
			}
			return conf.File(), true
		case "port":
			return number(conf.Port.Get()), true
		case "tls-port":
			return number(conf.TLSPort.Get()), true
		case "unixsocket":
			return conf.UnixSocket.Get(), true
		}
		return "", name == "server-mode" // which is neither cluster nor sentinel
	})
	return title
}
