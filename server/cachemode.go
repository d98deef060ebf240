package server

import (
	"strconv"

	"go.uber.org/zap"

	"larder/server/config"
)

// adoptCacheMode makes what the configuration does not say what a cache wants: memory bounded by what there is, what is used
// kept, nothing on the disk. What it does say counts.
func adoptCacheMode(conf *config.Store, log *zap.Logger) error {
	if !conf.CacheMode.Get() {
		return nil
	}
	limit := memoryBound()
	if limit == 0 {
		log.Warn("Cache mode cannot tell how much memory there is: set maxmemory")
	}
	for _, d := range []config.Pair{
		{Name: "maxmemory", Value: strconv.FormatInt(limit/cacheShare*(cacheShare-1), 10)},
		{Name: "maxmemory-policy", Value: "allkeys-s3fifo"},
		{Name: "save", Value: ""},
		{Name: "appendonly", Value: "no"},
	} {
		if conf.Given(d.Name) {
			continue
		}
		if err := conf.Derive(d.Name, d.Value); err != nil {
			return err
		}
	}
	log.Info("Cache mode", zap.Int64("memory_bytes", limit), zap.Int64("maxmemory_bytes", conf.Maxmemory.Get()),
		zap.String("maxmemory_policy", conf.MaxmemoryPolicy.Get().String()))
	return nil
}

// cacheShare is the part of the memory that a cache leaves to others: one in so many.
const cacheShare = 4

// memoryBound is the memory that the process may take: that of the machine, or less if its group of processes has a limit;
// 0 if it is not known.
func memoryBound() int64 {
	total := systemMemory()
	if limit := groupMemory("/"); limit > 0 && (total == 0 || limit < total) {
		return limit
	}
	return total
}
