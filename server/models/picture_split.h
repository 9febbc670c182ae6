#pragma once

#include <cstddef>
#include <vector>

#include "server/models/precision_report.h"

namespace resnetd {

// The ranges of int8's activations are taken from so many pictures at least,
// and at most: more change them little.
inline constexpr std::size_t kLeastCalibrationPictures = 30;
inline constexpr std::size_t kMostCalibrationPictures = 64;
// With fewer real pictures that training has not seen int8 is not tried, unless
// others calibrate it.
inline constexpr std::size_t kLeastToQuantise =
    kLeastCalibrationPictures + kLeastRealPictures;

// Which of the real pictures of a version int8 is calibrated with, and which
// the precisions are judged by: no picture is both, as ranges fit those that
// they were taken from; and none judges that the version was trained on, of
// which it is surer than of others. Ascending places in the list of all.
struct PictureSplit {
  // Empty: they are too few for int8.
  std::vector<std::size_t> calibrating;
  std::vector<std::size_t> judging;
};

// Of `count` pictures. Below kLeastToQuantise all judge; else half calibrate,
// but at most kMostCalibrationPictures, and so many that kLeastRealPictures or
// more judge. One of each run of neighbours calibrates, at a place that changes
// from run to run: so classes that lie one after the other are in both, and so
// are those that take turns.
//
// The first `trained` of them were trained on. They calibrate, at most
// kMostCalibrationPictures that lie evenly, and of the others just so many that
// kLeastCalibrationPictures do; none does where fewer than kLeastRealPictures
// were left to judge. Pure. Precondition: trained <= count.
PictureSplit SplitPictures(std::size_t count, std::size_t trained = 0);

}  // namespace resnetd
